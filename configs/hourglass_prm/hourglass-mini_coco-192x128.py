# Two narrow stacks of plain residual units, for CPUs.
_base_ = ['./_base_/mini.py']
