# FLIC: 11 joints, sigma 1, two stages.
_base_ = ['./_base_/cascade.py']

model = dict(backbone=dict(keypoints=11, ends=(0, 7), sigma=1.0, stages=2), head=dict(num_joints=11, stages=2))
test_dataloader = dict(dataset=dict(metainfo=dict(from_file='flic.py')))
