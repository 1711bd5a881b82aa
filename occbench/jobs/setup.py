"""The second of the two lines that install occbench: MMPose, without what it declares and does not need."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from ..system.errors import OccbenchError
from ..system.openmmlab import INSTALL_MMPOSE, MMPOSE


def setup(say: Callable[[str], None]) -> None:
    """Install MMPose into the Python that runs, with its pip or, in an environment without one, with uv.

    Args:
        say: Told what is there already or what is run.

    Raises:
        OccbenchError: There is neither pip nor uv, or it fails.
    """
    found = mmpose_version()
    if found is not None and Requirement(MMPOSE).specifier.contains(found):
        say(f"MMPose {found} is installed already")
        return
    command = installer()
    say(" ".join(command))
    if subprocess.run(command, check=False).returncode != 0:
        raise OccbenchError(f"MMPose could not be installed: see the lines above; by hand: {INSTALL_MMPOSE}")
    importlib.invalidate_caches()
    say(f"MMPose {mmpose_version()} is installed; `occbench doctor` says whether all works")


def mmpose_version() -> str | None:
    """The installed version of MMPose."""
    try:
        return version("mmpose")
    except PackageNotFoundError:
        return None


def installer() -> list[str]:
    """The command that installs MMPose into the Python that runs.

    Raises:
        OccbenchError: There is neither pip nor uv.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--no-deps", MMPOSE]
    uv = shutil.which("uv")
    if uv is None:
        raise OccbenchError(f"this Python has no pip, and there is no uv; install MMPose by hand: {INSTALL_MMPOSE}")
    return [uv, "pip", "install", "--python", sys.executable, "--no-deps", MMPOSE]
