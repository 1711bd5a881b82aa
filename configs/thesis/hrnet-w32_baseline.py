# Table I: baseline with flip, rotation, scale and half-body (published AP 74.3).
_base_ = ['./_base_/hrnet-w32.py']
