# Fig. 14: SimpleBaseline, cutout of a part, p = 0.5.
_base_ = ['./_base_/res50.py']

augmentation = dict(type='TargetedCutout', level='part', p=0.5)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
