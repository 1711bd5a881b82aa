# Fig. 14: SimpleBaseline, baseline.
_base_ = ['./_base_/res50.py']
