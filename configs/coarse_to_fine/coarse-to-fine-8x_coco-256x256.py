# COCO at 8x pooling.
_base_ = ['./_base_/coco.py']
