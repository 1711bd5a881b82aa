# Hourglass, baseline.
_base_ = ['./_base_/hourglass.py']
