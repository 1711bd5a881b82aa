# HigherHRNet-W32 at 640x640 on COCO.
_base_ = ['./_base_/w32-512.py']

codec = dict(input_size=(640, 640), heatmap_sizes=[(160, 160), (320, 320)])
model = dict(head=dict(decoder=codec))

affine = dict(
    type='BottomupRandomAffine', input_size=(640, 640), shift_factor=0.2, scale_factor=(0.75, 1.5), rotate_factor=30.0,
    scale_type='short', distribution='uniform')
encoder = dict(type='TaggedHeatmaps', **codec)
train_pipeline = [
    _base_.load, affine, _base_.flip, dict(type='GenerateTarget', encoder=encoder), dict(type='CountingRegions'),
    dict(type='PackPoseInputs')]
val_pipeline = [
    _base_.load,
    dict(type='HigherHRNetResize', input_size=(640, 640)),
    dict(type='PackPoseInputs', meta_keys=_base_.meta_keys)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
