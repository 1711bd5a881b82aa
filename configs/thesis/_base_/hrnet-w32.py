# HRNet-W32 on COCO at 256x192 as the thesis trains it: MMPose's model and validation, the thesis' schedule and
# augmentation (flip, rotation, scale, half-body). Its augmentations stand between the two pipelines.
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py']

custom_imports = dict(imports=['occbench.augmentations'])
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=96)  # three GPUs

crop_pipeline = [
    dict(type='SeedSample', seed=0),
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=8, prob=0.3),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.65, 1.35), rotate_factor=45.0),
    dict(type='TopdownAffine', input_size=_base_.codec.input_size),
]
target_pipeline = [dict(type='GenerateTarget', encoder=_base_.codec), dict(type='PackPoseInputs')]
train_pipeline = [*crop_pipeline, *target_pipeline]
train_dataloader = dict(
    batch_size=32,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline))
