# Boxes as RMPE's poster has them: grown by 20 %, in training moved as a detector moves them
# (in place of rotation and scaling). And the last phase of the published training, for MMPose's own training tool.
first_steps = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.2),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='ProposalBox', padding=1.2),
]
test_steps = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=1.2)]
rmsprop = dict(_delete_=True, type='RMSprop', lr=5e-5, alpha=0.99, eps=1e-8)
rmpe_schedule = [dict(type='MultiStepLR', begin=0, end=30, milestones=[20], gamma=0.2, by_epoch=True)]
