# A narrow SimpleBaseline (0.97 million parameters) at 256x192 for CPUs: ResNet-18 with a quarter of its channels, and
# three deconvolutions of 64. Input, targets and augmentation are those of hrnet_mini.
_base_ = ['./hrnet_mini.py']

model = dict(
    backbone=dict(_delete_=True, type='ResNet', depth=18, stem_channels=16, base_channels=16),
    head=dict(
        in_channels=128, deconv_out_channels=(64, 64, 64), deconv_kernel_sizes=(4, 4, 4)))
