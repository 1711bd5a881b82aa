"""``occbench python``: a script, module or line of the user's, in an interpreter that can import MMPose."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from ..system.errors import OccbenchError

AS_PYTHON = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""All that follows belongs to the script, options too."""


def python(
    given: Annotated[
        list[str] | None, typer.Argument(help="SCRIPT.py, -m MODULE or -c CODE, and its arguments.")
    ] = None,
) -> None:
    """Run Python with MMPose made importable: what `python` does, after what occbench does before it imports MMPose.

    Examples: `occbench python tools/test.py config.py weights.pth`, `occbench python -c "import mmpose"`.
    """
    from ..system.compat import setup_mmpose

    words = given or []
    if not words or (words[0] in ("-c", "-m") and len(words) < 2):
        raise OccbenchError("occbench python needs SCRIPT.py, -m MODULE or -c CODE")
    setup_mmpose()
    try:
        _run(words)
    except OccbenchError:
        raise
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _run(words: list[str]) -> None:
    first, *rest = words
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif first == "-m":
        sys.argv = rest
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        if not Path(first).is_file():
            raise OccbenchError(f"there is no file {first!r}")
        sys.argv = words
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")
