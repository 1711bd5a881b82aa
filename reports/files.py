"""Write a file whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from occbench.system.errors import OccbenchError


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary file beside ``path`` and move it into place.

    A reader sees the old file or the new one, never half of one. Not synced to disk: a report can be rebuilt.

    Raises:
        OccbenchError: The folder cannot be written.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide the report from other readers
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise OccbenchError(f"cannot write {path} ({error.strerror}); choose another folder with --out") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def file_stem(*names: str) -> str:
    """``names`` joined to a file name without extension; characters that are unsafe in one become ``-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(names)).lstrip(".") or "-"
