# Table I: blurring of a part, p = 0.5, labels removed (published AP 74.0).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='TargetedBlur', level='part', p=0.5, removal=True)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
