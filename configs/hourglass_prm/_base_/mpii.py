# Stacked hourglass on MPII as "Learning Feature Pyramids for Human Pose Estimation" trains it (Section 5.1.1): RMSProp,
# 7e-4 for 150 epochs, a tenth for 20 and a hundredth for 30, batches of 16; targets with sigma 1 px of heatmap (Eq. 4).
# Scale and rotation are those of the stacked hourglass that the paper follows; for the colour noise stands MMPose's.
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hourglass52_8xb64-210e_mpii-256x256.py']

custom_imports = dict(imports=['occbench.models'])
train_cfg = dict(max_epochs=200, val_interval=10)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='RMSprop', lr=7e-4))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=200, milestones=[150, 170], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=16)
codec = dict(type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=1)

model = dict(
    backbone=dict(_delete_=True, type='StackedHourglass', keypoints=16, stacks=8),
    head=dict(
        _delete_=True,
        type='CPMHead',
        in_channels=16,
        out_channels=16,
        num_stages=8,
        deconv_out_channels=None,
        final_layer=None,  # the backbone gives heatmaps, since it feeds them back
        loss=dict(type='HalfSquaredError'),
        decoder=codec))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0, scale_factor=(0.75, 1.25), rotate_factor=30.0),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PhotometricDistortion'),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
