# HigherHRNet-W32 at 512x512 on COCO.
_base_ = ['./_base_/w32-512.py']
