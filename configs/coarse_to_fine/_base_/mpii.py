# MPII: 16 joints.
_base_ = ['./coarse_to_fine.py']

model = dict(head=dict(num_joints=16))
mpii = dict(dataset=dict(type='MpiiDataset'))
train_dataloader = val_dataloader = test_dataloader = mpii
