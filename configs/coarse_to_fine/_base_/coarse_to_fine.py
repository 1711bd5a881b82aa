# Coarse-to-fine heatmaps (Tompson et al., CVPR 2015) in a crop of 256x256 px, 8x pooling. The paper turns pictures by
# up to 20 degrees, scales them by .5 to 1.5 and mirrors half of them, all uniformly; it trains the coarse network, then
# the fine one, then both. It gives no optimiser, rates, epochs or batches, and no shares of the phases: these are ours.
custom_imports = dict(imports=['occbench.models', 'occbench.augmentations'])
default_scope = 'mmpose'

codec = dict(type='JointPlaces', input_size=(256, 256))

model = dict(
    type='CoarseToFineEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
    backbone=dict(type='MultiResolutionBanks', pooling=8),
    head=dict(
        type='CoarseToFineHead',
        num_joints=17,
        pooling=8,
        coarse=dict(dropout=0.5),
        fine=dict(source='features', depth=2),
        window=40,
        sigma=1.5,
        fine_weight=0.1,
        decoder=codec),
    train_cfg=dict(phases=dict(coarse=0.5, fine=0.2, joint=0.3)),
    test_cfg=dict(flip_test=False))

crop_steps = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='UniformBBoxTransform', shift_prob=0, scale_prob=1, rotate_prob=1, scale_factor=(0.5, 1.5),
         rotate_factor=20.0),
]
train_pipeline = [
    *crop_steps,
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
loader = dict(batch_size=16, num_workers=1, persistent_workers=True)
data = dict(type='CocoDataset', data_mode='topdown', ann_file='', data_prefix=dict(img=''))
train_dataloader = dict(
    **loader, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**data, pipeline=train_pipeline))
val_dataloader = dict(
    **loader, drop_last=False, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(**data, test_mode=True, pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file='')
test_evaluator = val_evaluator
