# Table I: up to five keypoints, p = 0.2 (published AP 73.9).
_base_ = ['./_base_/hrnet-w32.py']

augmentation = dict(type='MultiKeypointOcclusion', p=0.2, max_keypoints=5)
train_pipeline = [*_base_.crop_pipeline, augmentation, *_base_.target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
