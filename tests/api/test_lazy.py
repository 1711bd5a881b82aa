"""Importing occbench is light, and offers what it says."""

from __future__ import annotations

import subprocess
import sys

import pytest

import occbench


def test_importing_is_light() -> None:
    code = (
        "import sys, occbench\n"
        "occbench.OccbenchError\n"
        "heavy = {'torch', 'mmpose', 'mmengine', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_attacking_an_array_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np, occbench\n"
        "occbench.occlude(np.zeros((20, 20, 3), np.uint8), np.ones((17, 2)), 'keypoint-blackout:nose')\n"
        "heavy = {'torch', 'mmpose', 'mmengine'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_name_is_there() -> None:
    for name in occbench.__all__:
        assert getattr(occbench, name).__name__ == name
    assert set(occbench.__all__) <= set(dir(occbench))
    with pytest.raises(AttributeError, match="no attribute 'atack'"):
        occbench.atack  # noqa: B018
