"""The installed version of occbench."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def occbench_version() -> str:
    """The version, or ``unknown`` where occbench runs without being installed."""
    try:
        return version("occbench")
    except PackageNotFoundError:
        return "unknown"
