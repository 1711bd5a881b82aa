# The baseline: eight stacks of plain residual units, identity skips (23.7 million parameters).
_base_ = ['./_base_/mpii.py']

model = dict(backbone=dict(placement='none'))
