"""``occbench setup``: the part of the install that plain pip leaves out."""

from __future__ import annotations

import sys


def setup() -> None:
    """Install MMPose beside occbench: the second line of the install, `pip install --no-deps mmpose==...`.

    It is a step of its own because MMPose declares two packages that occbench does without, and which need a compiler.
    """
    from ..jobs.setup import setup as install

    install(lambda line: print(line, file=sys.stderr))
