# HigherHRNet-W32 at 512x512. The steps of the training pipeline have names, for what is put between them.
_base_ = ['./training.py']

codec = dict(type='TaggedHeatmaps', input_size=(512, 512), heatmap_sizes=[(128, 128), (256, 256)])

model = dict(
    type='HigherHRNet',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='HRNet',
        in_channels=3,
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(4, ), num_channels=(64, )),
            stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(4, 4), num_channels=(32, 64)),
            stage3=dict(
                num_modules=4, num_branches=3, block='BASIC', num_blocks=(4, 4, 4), num_channels=(32, 64, 128)),
            stage4=dict(
                num_modules=3, num_branches=4, block='BASIC', num_blocks=(4, 4, 4, 4),
                num_channels=(32, 64, 128, 256))),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth')),
    head=dict(type='HigherHRNetHead', in_channels=32, deconv_channels=(32, ), decoder=codec),
    test_cfg=dict(flip_test=True))

load = dict(type='LoadImage')
affine = dict(
    type='BottomupRandomAffine', input_size=codec['input_size'], shift_factor=0.2, scale_factor=(0.75, 1.5),
    rotate_factor=30.0, scale_type='short', distribution='uniform')
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
