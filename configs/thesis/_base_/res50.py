# SimpleBaseline (ResNet-50) on COCO at 256x192, trained by that paper's scheme as the thesis says: 140 epochs, steps
# at 90 and 120, rotation up to 40 degrees, scale 0.7 to 1.3, no half-body.
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py', './training.py']

train_cfg = dict(max_epochs=140)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=140, milestones=[90, 120], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=96)  # three GPUs

affine = dict(type='TopdownAffine', input_size=_base_.codec.input_size)
rotation_and_scale = dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.3), rotate_factor=40.0)
crop_pipeline = [*_base_.first_steps, rotation_and_scale, affine]
target_pipeline = [dict(type='GenerateTarget', encoder=_base_.codec), dict(type='PackPoseInputs')]
train_pipeline = [*crop_pipeline, *target_pipeline]
train_dataloader = dict(**_base_.loader, dataset=dict(pipeline=train_pipeline))
