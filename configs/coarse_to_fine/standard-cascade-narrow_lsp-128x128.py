# The narrow one as a standard cascade: its fine network reads the picture, and is trained apart.
# With 1.3 times the epochs, each network learns for as long as in joint training.
_base_ = ['./coarse-to-fine-narrow_lsp-128x128.py']

model = dict(
    head=dict(fine=dict(source='image', depth=5)),
    train_cfg=dict(phases=dict(_delete_=True, coarse=0.8, fine=0.5)))
