# Table I: cutout and blurring of a part, p = 0.5, labels removed (published AP 73.9).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='TargetedCutoutBlur', level='part', p=0.5, removal=True)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
