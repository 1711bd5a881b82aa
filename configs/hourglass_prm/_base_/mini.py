# Two narrow stacks at 192x128, for CPUs and a short training: unbiased targets, little augmentation, and heatmaps that
# begin near nothing: with those of Eq. 15 the first epochs go into unlearning them.
_base_ = ['./coco.py']

codec = dict(
    type='MSRAHeatmap', input_size=(128, 192), heatmap_size=(32, 48), sigma=1, unbiased=True, blur_kernel_size=5)

model = dict(backbone=dict(stacks=2, channels=64, heatmap_std=0.001), head=dict(num_stages=2, decoder=codec))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_factor=0.05, scale_factor=(0.85, 1.15), rotate_factor=20),
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
