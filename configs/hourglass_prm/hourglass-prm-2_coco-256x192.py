# Two stacks with PRM-B*, identity skips.
_base_ = ['./_base_/coco.py']

model = dict(backbone=dict(stacks=2, placement='paper'), head=dict(num_stages=2))
