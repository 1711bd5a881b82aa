# Table I: cutout of a keypoint, p = 0.2 (published AP 74.3).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='TargetedCutout', level='keypoint', p=0.2)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
