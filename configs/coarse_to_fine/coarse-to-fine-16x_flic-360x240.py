# FLIC at 16x pooling.
_base_ = ['./_base_/flic.py']

model = dict(backbone=dict(pooling=16), head=dict(pooling=16))
