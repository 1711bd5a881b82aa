# What the trainings of the thesis share; each base beside it adds the model, and builds its pipeline from these steps.
custom_imports = dict(imports=['occbench.augmentations'])
schedule = [dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200], gamma=0.1, by_epoch=True)]
loader = dict(batch_size=32, sampler=dict(type='EpochSampler', shuffle=True))

first_steps = [
    dict(type='SeedSample', seed=0),
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
]
half_body = dict(type='RandomHalfBody', min_total_keypoints=8, prob=0.3)
rotation_and_scale = dict(
    type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.65, 1.35), rotate_factor=45.0)
