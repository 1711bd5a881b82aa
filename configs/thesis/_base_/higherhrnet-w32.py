# HigherHRNet-W32 at 512x512 on COCO as its authors train it; the thesis' augmentations stand behind the affine.
_base_ = ['../../higherhrnet/_base_/w32-512.py']

seed = dict(type='SeedSample', seed=0)
photo_pipeline = [seed, _base_.load, _base_.affine]
target_pipeline = [_base_.flip, *_base_.targets]
train_pipeline = [*photo_pipeline, *target_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
