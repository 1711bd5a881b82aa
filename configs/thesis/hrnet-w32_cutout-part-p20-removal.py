# Table I: cutout of a part, p = 0.2, labels removed (published AP 74.2).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='TargetedCutout', level='part', p=0.2, removal=True)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
