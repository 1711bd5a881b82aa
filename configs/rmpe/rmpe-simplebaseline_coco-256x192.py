# SimpleBaseline (ResNet-50), in RMPE's symmetric spatial transformer; boxes grown by 20 %.
# Train it from the plain model's weights (--init).
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py',
    './_base_/boxes-20.py',
]

custom_imports = dict(imports=['occbench.models', 'occbench.augmentations'])
train_cfg = dict(max_epochs=30, val_interval=5)
optim_wrapper = dict(optimizer=_base_.rmsprop)
param_scheduler = _base_.rmpe_schedule

model = dict(type='SymmetricSTN', localiser=dict(type='LocalisationNet'), parallel=True)

affine = dict(type='TopdownAffine', input_size=_base_.codec.input_size)
train_pipeline = [
    *_base_.first_steps,
    affine,
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='CentredTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [*_base_.test_steps, affine, dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
