# As hourglass-prm-8, with the skips that stop the variance from doubling (Section 4.2).
_base_ = ['./_base_/coco.py']

model = dict(backbone=dict(placement='paper', variance_control=True))
