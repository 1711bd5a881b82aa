# A quarter as wide at 92 px, with batch normalisation in place of LRN: what a part of one core trains within an hour.
# Not the paper's network.
_base_ = ['./deeppose-cascade_lsp-220x220.py']

side = 184
codec = dict(type='CentredLabel', input_size=(side, side))
model = dict(
    backbone=dict(canvas=2, network=dict(size=92, widths=(24, 64, 96, 96, 64), units=512, dropout=0.1, norm='batch')),
    head=dict(decoder=codec))
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(side, side)),
    dict(type='PackPoseInputs'),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
cascade_training = dict(epochs=28, draws=1, batch_size=32, lr=1e-3, optimizer='Adam', decay='cosine', scale=1.2)
