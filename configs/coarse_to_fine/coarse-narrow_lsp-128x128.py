# The coarse network of the narrow one, alone.
_base_ = ['./coarse-to-fine-narrow_lsp-128x128.py']

model = dict(head=dict(fine=None), train_cfg=dict(phases=dict(_delete_=True, coarse=1.0)))
