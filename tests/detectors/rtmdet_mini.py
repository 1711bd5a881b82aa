"""An RTMDet of half a million parameters for persons alone, small enough to be trained in minutes on a CPU."""

_base_ = "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py"

norm_cfg = dict(type="BN")
channels = 24
classes = dict(classes=("person",))
side = (224, 224)

model = dict(
    data_preprocessor=dict(batch_augments=None),
    backbone=dict(widen_factor=0.125, norm_cfg=norm_cfg, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128], out_channels=channels, norm_cfg=norm_cfg),
    bbox_head=dict(num_classes=1, in_channels=channels, feat_channels=channels, norm_cfg=norm_cfg),
    test_cfg=dict(score_thr=0.1, nms_pre=300, max_per_img=20),
)

load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)]
shape = [
    dict(type="Resize", scale=side, keep_ratio=True),
    dict(type="Pad", size=side, pad_val=dict(img=(114, 114, 114))),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    *shape,
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
dataset = dict(type="CocoDataset", ann_file="annotations.json", data_prefix=dict(img="images/"), metainfo=classes)
train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**dataset, pipeline=[*load, dict(type="RandomFlip", prob=0.5), *shape, dict(type="PackDetInputs")]),
)
test_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**dataset, test_mode=True, pipeline=test_pipeline),
)
val_dataloader = None
val_cfg = None
val_evaluator = None
test_evaluator = None
epochs = 24
train_cfg = dict(_delete_=True, type="EpochBasedTrainLoop", max_epochs=epochs)
optim_wrapper = dict(_delete_=True, type="OptimWrapper", optimizer=dict(type="AdamW", lr=4e-3, weight_decay=0.05))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=True, T_max=epochs, eta_min=1e-5, convert_to_iter_based=True),
]
custom_hooks = []
randomness = dict(seed=0, deterministic=True)
