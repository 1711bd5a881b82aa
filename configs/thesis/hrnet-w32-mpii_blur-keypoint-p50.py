# Table II: MPII, blurring of a keypoint, p = 0.5 (published PCKh 90.3).
_base_ = ['./_base_/hrnet-w32-mpii.py']

augmentation = dict(type='TargetedBlur', level='keypoint', p=0.5)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
