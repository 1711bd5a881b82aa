"""One writer at a time in a run folder; by hand, since filelock's file says nothing of its owner and stays behind.

The lock is the kernel's (flock), which goes with its process however that ends; the file beside it says in words who
holds it. Over a network file system without such locks the words alone remain: they name the other machine, and the
user decides.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..system.errors import OccbenchError

NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path, take_over: bool = False, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the lock of a run folder.

    A lock whose owner is gone is taken over: silently safe on this machine, where the kernel knows; a lock of another
    machine only with ``take_over``.

    Args:
        folder: The run folder; it must exist.
        take_over: Take a lock of another machine, too.
        say: Told whose stale lock was taken over.

    Raises:
        OccbenchError: Somebody else is writing here; the message says who, where and since when.
    """
    path = folder / NAME
    handle = _acquire(path)
    try:
        owner = _read(handle)
        if owner and owner["host"] != platform.node() and not take_over:
            raise OccbenchError(
                f"{str(folder)!r} is locked by {describe(owner)}; if that has ended, take the folder with --take-over"
            )
        if owner:
            say(f"taking over {folder} from {describe(owner)}, which ended without finishing")
        _write(handle, {"pid": os.getpid(), "host": platform.node(), "since": time.time()})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)  # nobody's, even where the name cannot be removed
                path.unlink()
    finally:
        os.close(handle)


def _acquire(path: Path) -> int:
    """Open and lock the file at ``path``; the loop is for an owner who removes it between our open and our lock."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(handle).st_ino:
                    return handle
        except BlockingIOError:
            owner = describe(_read(handle))
            os.close(handle)
            raise OccbenchError(f"{str(path.parent)!r} is being written by {owner}; wait for it") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def describe(owner: dict[str, Any]) -> str:
    """An owner in words: process, machine and age."""
    if not owner:
        return "another process"
    age = max(0.0, time.time() - owner["since"])  # a clock that was set back makes nobody younger than new
    return f"process {owner['pid']} on {owner['host']} (for {_age(age)})"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _read(handle: int) -> dict[str, Any]:
    """The owner that the file names; empty for none, or for a file that says nothing sensible."""
    try:
        owner = json.loads(os.pread(handle, 4096, 0))
        return {"pid": int(owner["pid"]), "host": str(owner["host"]), "since": float(owner["since"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(handle: int, owner: dict[str, Any]) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(owner).encode(), 0)
    os.fsync(handle)
