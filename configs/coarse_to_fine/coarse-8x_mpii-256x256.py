# The coarse network alone: all epochs are its.
_base_ = ['./_base_/mpii.py']

model = dict(head=dict(fine=None), train_cfg=dict(phases=dict(_delete_=True, coarse=1.0)))
