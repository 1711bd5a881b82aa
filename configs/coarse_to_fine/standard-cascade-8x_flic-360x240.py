# The standard cascade (Section 5): a fine network of its own on windows of the picture, with more convolutions so that
# parameters are as many (five here), trained apart: the coarse network first, then the fine one, never both.
# With 1.3 times the epochs, each learns for as long as in joint training.
_base_ = ['./_base_/flic.py']

model = dict(
    head=dict(fine=dict(source='image', depth=5)),
    train_cfg=dict(phases=dict(_delete_=True, coarse=0.8, fine=0.5)))
