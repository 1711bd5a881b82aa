# PP-TinyPose 128x96: the same network as 256x192 on a quarter of the pixels.
_base_ = ['./tinypose_256x192.py']

codec = dict(input_size=(96, 128), heatmap_size=(24, 32))

model = dict(head=dict(decoder=codec))

val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]

val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
