# Table III: blurring of a keypoint, p = 0.5 (published AP 66.5).
_base_ = ['./_base_/higherhrnet-w32.py']

augmentation = dict(type='TargetedBlur', level='keypoint', p=0.5)
train_pipeline = [*_base_.photo_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
