# HRNet-W32 on MPII at 256x256 as the thesis trains it: as on COCO, without half-body.
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py', './training.py']

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = _base_.schedule
auto_scale_lr = dict(base_batch_size=96)  # three GPUs

affine = dict(type='TopdownAffine', input_size=_base_.codec.input_size)
crop_pipeline = [*_base_.first_steps, _base_.rotation_and_scale, affine]
target_pipeline = [dict(type='GenerateTarget', encoder=_base_.codec), dict(type='PackPoseInputs')]
train_pipeline = [*crop_pipeline, *target_pipeline]
train_dataloader = dict(**_base_.loader, dataset=dict(pipeline=train_pipeline))
