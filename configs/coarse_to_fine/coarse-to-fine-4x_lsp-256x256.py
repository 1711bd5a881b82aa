# LSP at 4x pooling.
_base_ = ['./_base_/lsp.py']

model = dict(backbone=dict(pooling=4), head=dict(pooling=4))
