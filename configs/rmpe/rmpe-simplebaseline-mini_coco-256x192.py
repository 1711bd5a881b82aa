# The narrow SimpleBaseline, in RMPE's symmetric spatial transformer; boxes grown by 20 %.
# Train it from the plain model's weights (--init): the localisation net's backbone begins with them, too.
_base_ = ['../simplebaseline_mini.py', './_base_/boxes-20.py']

custom_imports = dict(imports=['occbench.models', 'occbench.augmentations'])

model = dict(
    type='SymmetricSTN',
    localiser=dict(
        type='BackboneLocalisation',
        backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
        channels=128,
        cells=(4, 3)),
    parallel=True,
    parallel_weight=5.0)

affine = dict(type='TopdownAffine', input_size=_base_.codec.input_size)
train_pipeline = [
    *_base_.first_steps,
    affine,
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='CentredTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [*_base_.test_steps, affine, dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
