# COCO: 17 keypoints; sigma 2 and three stages, as on LSP, whose people move as freely.
_base_ = ['./_base_/cascade.py']

model = dict(backbone=dict(keypoints=17, ends=(5, 12), sigma=2.0), head=dict(num_joints=17))
