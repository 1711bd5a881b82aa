# The cascade of DeepPose (Toshev and Szegedy, CVPR 2014) on a canvas of 3 x 220 px. The paper trains every stage with
# Adagrad at 5e-4 and batches of 128, stage 1 on randomly moved and mirrored crops, later ones on 40 simulated crops a
# joint and their mirror images; `occbench train` does so.
custom_imports = dict(imports=['occbench.models'])
default_scope = 'mmpose'

side = 660
codec = dict(type='CentredLabel', input_size=(side, side))

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='DeepPoseCascade', stages=3, canvas=3),
    head=dict(type='CascadeHead', stages=3, decoder=codec),
    test_cfg=dict(flip_test=False))

test_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(side, side)),
    dict(type='PackPoseInputs'),
]
test_dataloader = dict(dataset=dict(type='CocoDataset', pipeline=test_pipeline))
cascade_training = dict(epochs=100, draws=80, batch_size=128, lr=5e-4, optimizer='Adagrad')
