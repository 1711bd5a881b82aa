# Table I: baseline without any augmentation (published AP 65.3).
_base_ = ['./_base_/hrnet-w32.py']

left_out = ('RandomFlip', 'RandomHalfBody', 'RandomBBoxTransform')
train_pipeline = [step for step in _base_.train_pipeline if step['type'] not in left_out]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
