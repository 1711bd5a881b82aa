# The baseline of the ablation: two stacks of plain residual units, identity skips.
_base_ = ['./_base_/coco.py']

model = dict(backbone=dict(stacks=2, placement='none'), head=dict(num_stages=2))
