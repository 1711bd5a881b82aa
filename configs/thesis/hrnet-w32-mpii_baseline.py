# Table II: MPII, baseline (published PCKh 90.3).
_base_ = ['./_base_/hrnet-w32-mpii.py']
