# Table III: PartMix, p = 0.5, labels kept (published AP 67.0).
_base_ = ['./_base_/higherhrnet-w32.py']

augmentation = dict(type='PartMix', p=0.5)
train_pipeline = [*_base_.photo_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
