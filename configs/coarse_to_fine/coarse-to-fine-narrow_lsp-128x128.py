# A narrow one in a crop of 128x128 px, with batch normalisation and windows of 24 px: what a part of one core trains in
# minutes. Not the paper's network.
_base_ = ['./_base_/lsp.py']

codec = dict(type='JointPlaces', input_size=(128, 128))
model = dict(
    backbone=dict(maps=16, context=64, norm='batch'),
    head=dict(
        coarse=dict(context=64, hidden=64, dropout=0.2, norm='batch'),
        fine=dict(maps=16, hidden=32, norm='batch'),
        window=24,
        decoder=codec))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='UniformBBoxTransform', shift_prob=0, scale_prob=1, rotate_prob=1, scale_factor=(0.8, 1.2),
         rotate_factor=20.0),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
