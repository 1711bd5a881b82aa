# FLIC at 4x pooling.
_base_ = ['./_base_/flic.py']

model = dict(backbone=dict(pooling=4), head=dict(pooling=4))
