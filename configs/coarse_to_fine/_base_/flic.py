# FLIC: 11 joints (the paper has 7) in a crop of 360x240 px, which is what Table 1 and Figure 11 are measured in.
_base_ = ['./coarse_to_fine.py']

codec = dict(type='JointPlaces', input_size=(360, 240))
model = dict(head=dict(num_joints=11, decoder=codec))
described = dict(metainfo=dict(from_file='../deeppose/flic.py'))
train_pipeline = [
    *_base_.crop_steps,
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
train_dataloader = dict(dataset=dict(**described, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**described, pipeline=val_pipeline))
test_dataloader = val_dataloader
