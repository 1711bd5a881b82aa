# Table I: baseline with flip, rotation and scale (published AP 73.9).
_base_ = ['./_base_/hrnet-w32.py']

left_out = ('RandomHalfBody',)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] not in left_out]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
