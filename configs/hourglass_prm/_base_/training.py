# Stacked hourglass as "Learning Feature Pyramids for Human Pose Estimation" trains it (Section 5.1.1): RMSProp, 7e-4
# for 150 epochs, a tenth for 20 and a hundredth for 30, batches of 16; targets with sigma 1 px of heatmap (Eq. 4).
# Scale and rotation are those of the stacked hourglass that the paper follows; for the colour noise stands MMPose's.
# The bases beside it add the data set.
custom_imports = dict(imports=['occbench.models'])
schedule = [dict(type='MultiStepLR', begin=0, end=200, milestones=[150, 170], gamma=0.1, by_epoch=True)]
hourglass = dict(_delete_=True, type='StackedHourglass', stacks=8)
heatmaps = dict(
    _delete_=True,
    type='CPMHead',
    num_stages=8,
    deconv_out_channels=None,
    final_layer=None,  # the backbone gives heatmaps, since it feeds them back
    loss=dict(type='HalfSquaredError'))
crop_steps = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0, scale_factor=(0.75, 1.25), rotate_factor=30.0),
]
