# HigherHRNet-W48 at 512x512 on COCO.
_base_ = ['./_base_/w32-512.py', './_base_/w48.py']

model = _base_.wide
