# Eight stacks with PRM-B* everywhere but at the lowest resolution, identity skips (26.9 million parameters).
_base_ = ['./_base_/coco.py']

model = dict(backbone=dict(placement='paper'))
