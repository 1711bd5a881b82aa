# Fig. 13: HRNet-W32 384x288, baseline.
_base_ = ['./_base_/hrnet-w32-384.py']
