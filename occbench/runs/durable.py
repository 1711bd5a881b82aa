"""Files that are there whole or not at all, whatever happens to the machine in between.

What :func:`write` has returned from survives a kill and, as far as the disk keeps its word, a power cut: the bytes are
synced before the name appears, and the folder after it. A reader sees the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..system.errors import OccbenchError

TEMPORARY = ".occbench-"
"""What the names of unfinished files begin with; one that is left behind by a kill is nobody's."""


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, making its folder where that is missing.

    Raises:
        OSError: The disk is full, the folder cannot be written, ...
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o666 & ~umask())  # mkstemp's 0600 would hide the file from other readers
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that cannot sync a folder say so
            raise
    finally:
        os.close(handle)


def umask() -> int:
    """Which rights new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def explained(out: Path) -> Iterator[None]:
    """Turn a disk that is full or read-only into one clear line about the run folder ``out``.

    Raises:
        OccbenchError: In place of any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OccbenchError(
                f"no space left for {str(out)!r} ({error.strerror}): free some and give the same command again; "
                "what is finished is kept"
            ) from error
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
