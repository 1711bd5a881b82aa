# The ablation of Fig. 8: as hourglass-prm-2, with PRM-A.
_base_ = ['./_base_/mpii.py']

model = dict(backbone=dict(stacks=2, placement='paper', pyramid=dict(variant='A')), head=dict(num_stages=2))
