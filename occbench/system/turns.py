"""Processes that want to write the same file take turns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold ``lock`` against other processes; the system lets go of it when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: two at once do the work twice, and each replaces the result whole
        yield
        return
    with lock.open("a") as file:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
