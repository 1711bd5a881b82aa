# Table I: cutout and blurring of a keypoint, p = 0.5 (published AP 74.3).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='TargetedCutoutBlur', level='keypoint', p=0.5)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
