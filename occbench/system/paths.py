"""Where occbench keeps what it fetched or made for itself."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache folder: ``$OCCBENCH_CACHE``, else ``$XDG_CACHE_HOME/occbench``, else ``~/.cache/occbench``.

    It is not created here.
    """
    own = os.environ.get("OCCBENCH_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "occbench"


def data_dir() -> Path:
    """Where data sets are looked for: ``$OCCBENCH_DATA``, else ``data`` in the current folder (as in MMPose)."""
    return Path(os.environ.get("OCCBENCH_DATA", "data")).expanduser()
