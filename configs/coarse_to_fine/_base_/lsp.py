# LSP: 14 joints.
_base_ = ['./coarse_to_fine.py']

model = dict(head=dict(num_joints=14))
described = dict(dataset=dict(metainfo=dict(from_file='../deeppose/lsp.py')))
train_dataloader = val_dataloader = test_dataloader = described
