# What the thesis' published code does in every run of Table III but the baseline: blur, cutout and PartMix at once, in
# px of the photo before the affine, with its faults; 3 photos on each of 2 GPUs at the rate of 48.
_base_ = ['./_base_/higherhrnet-w32.py']

augmentation = dict(type='ThesisPhotoOcclusion', p=0.5)
train_pipeline = [_base_.seed, _base_.load, augmentation, _base_.affine, *_base_.target_pipeline]
train_dataloader = dict(batch_size=3, dataset=dict(pipeline=train_pipeline))
