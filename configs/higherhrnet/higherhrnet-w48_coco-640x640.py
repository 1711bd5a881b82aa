# HigherHRNet-W48 at 640x640 on COCO.
_base_ = ['./higherhrnet-w32_coco-640x640.py', './_base_/w48.py']

model = _base_.wide
