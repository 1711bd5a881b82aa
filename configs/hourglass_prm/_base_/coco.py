# The stacked hourglass on COCO at 256x192.
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py', './training.py']

train_cfg = dict(max_epochs=200, val_interval=10)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='RMSprop', lr=7e-4))
param_scheduler = _base_.schedule
auto_scale_lr = dict(base_batch_size=16)
codec = dict(type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=1)

model = dict(
    backbone=dict(**_base_.hourglass, keypoints=17),
    head=dict(**_base_.heatmaps, in_channels=17, out_channels=17, decoder=codec))

train_pipeline = [
    *_base_.crop_steps,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PhotometricDistortion'),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
