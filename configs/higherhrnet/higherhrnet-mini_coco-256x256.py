# A narrow HigherHRNet (1.0 million parameters) at 256x256 for CPUs and a short training: the authors' but for the
# branches' width and depth and a milder affine. It begins with the backbone of hrnet-mini, trained on the same people.
_base_ = ['./_base_/training.py']

train_cfg = dict(max_epochs=6)

codec = dict(type='TaggedHeatmaps', input_size=(256, 256), heatmap_sizes=[(64, 64), (128, 128)])

model = dict(
    type='HigherHRNet',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='HRNet',
        in_channels=3,
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1, ), num_channels=(32, )),
            stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(2, 2), num_channels=(16, 32)),
            stage3=dict(num_modules=1, num_branches=3, block='BASIC', num_blocks=(2, 2, 2), num_channels=(16, 32, 64)),
            stage4=dict(
                num_modules=1, num_branches=4, block='BASIC', num_blocks=(2, 2, 2, 2), num_channels=(16, 32, 64, 96))),
        init_cfg=dict(type='Pretrained', prefix='backbone', checkpoint='occbench:hrnet-mini')),
    head=dict(
        type='HigherHRNetHead', in_channels=16, deconv_channels=(16, ), blocks=2, decoder=codec,
        loss=dict(type='TaggedHeatmapLoss', push_weight=1e-3, pull_weight=1e-3)),
    test_cfg=dict(flip_test=True))

load = dict(type='LoadImage')
affine = dict(
    type='BottomupRandomAffine', input_size=codec['input_size'], shift_factor=0.1, scale_factor=(0.75, 1.25),
    rotate_factor=20.0, scale_type='short', distribution='uniform')
flip = dict(type='RandomFlip', direction='horizontal')
targets = [dict(type='GenerateTarget', encoder=codec), dict(type='CountingRegions'), dict(type='PackPoseInputs')]
train_pipeline = [load, affine, flip, *targets]
val_pipeline = [
    load,
    dict(type='HigherHRNetResize', input_size=codec['input_size']),
    dict(type='PackPoseInputs', meta_keys=_base_.meta_keys)]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
