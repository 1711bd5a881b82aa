# The ablation of Fig. 8: as hourglass-prm-2, with PRM-D.
_base_ = ['./_base_/mpii.py']

model = dict(backbone=dict(stacks=2, placement='paper', pyramid=dict(variant='D')), head=dict(num_stages=2))
