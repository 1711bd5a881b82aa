# Table III: no augmentation besides the affine and flips (published AP 67.1, the authors' own weights).
_base_ = ['./_base_/higherhrnet-w32.py']
