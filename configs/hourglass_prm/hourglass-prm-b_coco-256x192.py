# The ablation of Fig. 8: as hourglass-prm-2, with PRM-B.
_base_ = ['./_base_/coco.py']

model = dict(backbone=dict(stacks=2, placement='paper', pyramid=dict(variant='B')), head=dict(num_stages=2))
