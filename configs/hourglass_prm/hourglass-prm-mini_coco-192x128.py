# Two narrow stacks with PRM-B*, identity skips, for CPUs.
_base_ = ['./_base_/mini.py']

model = dict(backbone=dict(placement='paper'))
