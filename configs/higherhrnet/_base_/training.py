# What HigherHRNet's trainings share, bottom-up on COCO: pipelines from a codec, schedule (300 epochs, batch 48 in the
# paper's runs, here 12 a process), loaders.
custom_imports = dict(imports=['occbench.models', 'occbench.augmentations'])
default_scope = 'mmpose'

train_cfg = dict(max_epochs=300, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=300, milestones=[200, 260], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=48)
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))

meta_keys = ('id', 'img_id', 'img_path', 'crowd_index', 'ori_shape', 'img_shape', 'input_size', 'input_center',
             'input_scale', 'flip', 'flip_direction', 'flip_indices', 'raw_ann_info', 'skeleton_links')

train_dataloader = dict(
    batch_size=12, num_workers=2, persistent_workers=True, drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset', data_root='data/coco/', data_mode='bottomup',
        ann_file='annotations/person_keypoints_train2017.json', data_prefix=dict(img='train2017/')))
val_dataloader = dict(
    batch_size=1, num_workers=2, persistent_workers=True, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoDataset', data_root='data/coco/', data_mode='bottomup', test_mode=True,
        ann_file='annotations/person_keypoints_val2017.json', data_prefix=dict(img='val2017/')))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file='data/coco/annotations/person_keypoints_val2017.json', nms_mode='none',
    score_mode='bbox')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
