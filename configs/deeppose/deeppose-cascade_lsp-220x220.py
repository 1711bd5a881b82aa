# LSP: 14 joints, sigma 2, three stages.
_base_ = ['./_base_/cascade.py']

model = dict(backbone=dict(keypoints=14, ends=(9, 2), sigma=2.0), head=dict(num_joints=14))
test_dataloader = dict(dataset=dict(metainfo=dict(from_file='lsp.py')))
