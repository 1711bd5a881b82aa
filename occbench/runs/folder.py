"""A place for a run: free, or a run that this command goes on with."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..inference.predictions import cell_slug
from ..system.errors import OccbenchError
from .durable import explained
from .identity import OCCLUDERS, Identity, cell_identity, changes
from .lock import NAME as LOCK
from .lock import locked
from .manifest import NAME, is_run, read_manifest
from .parquet import read_identity
from .store import PREDICTIONS, WORK

DEFAULTS: Mapping[str, Any] = {"scope": "person", "redetect": False, "scales": None, "pose_nms": None}
"""Choices that runs from before they could be made do not name; at these values they are no part of an identity."""


def check_out(out: Path, overwrite: bool = False) -> None:
    """Refuse a place that holds something else, before anything is computed.

    Args:
        out: The run folder that is wanted.
        overwrite: Whether a run of any kind in it may go.

    Raises:
        OccbenchError: It is a file, a mount point or somebody else's folder.
    """
    try:
        if not out.exists():
            return
        if not out.is_dir():
            raise OccbenchError(f"--out {str(out)!r} is a file; give a folder")
        if not any(path.name != LOCK for path in out.iterdir()):
            return
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    if not is_run(out):
        raise OccbenchError(f"--out {str(out)!r} holds files that are no run of occbench; give another folder")
    if not overwrite:
        read_manifest(out)  # a newer one must not be spoilt


@contextlib.contextmanager
def open_run(
    out: Path,
    choices: Mapping[str, Any],
    content: Identity,
    seed: int,
    *,
    overwrite: bool = False,
    take_over: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Hold a run folder for writing: a new one, or one that was begun with the same choices on the same content.

    What a failed command leaves behind is what it finished: a folder without a finished piece is removed again.

    Args:
        out: The run folder.
        choices: What the user chose that makes a run what it is: model, data, boxes, protocol, ...
        content: What else all of its cells share: the hashes of weights, config, data, ...
        seed: Of random placements.
        overwrite: Empty a run that is there.
        take_over: Take a lock of another machine.
        say: Told whose stale lock was taken over.

    Raises:
        OccbenchError: The folder is taken, by somebody who is at it, by something else, or by a run of other choices
            or other content.
    """
    check_out(out, overwrite)
    fresh = overwrite or not is_run(out)
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as stack:
            with explained(out):
                stack.enter_context(locked(out, take_over, say))
                if overwrite:
                    _empty(out)
            if not fresh:
                _check_choices(out, choices)
                _check_content(out, choices, content, seed)
            try:
                yield
            except BaseException:
                kept = any((out / WORK).glob("*/*")) or any((out / PREDICTIONS).glob("*"))
                if kept:
                    say(f"{out} keeps what is finished; the same command goes on from there")
                elif fresh:
                    (out / NAME).unlink(missing_ok=True)
                    shutil.rmtree(out / WORK, ignore_errors=True)
                raise
    except BaseException:
        with contextlib.suppress(OSError):  # as far as they are empty
            for folder in made:
                folder.rmdir()
        raise


def _check_choices(out: Path, choices: Mapping[str, Any]) -> None:
    before = read_manifest(out).get("choices")
    if before is None:
        raise OccbenchError(
            f"--out {str(out)!r} holds a run of an old occbench, which cannot be gone on with; "
            "give another folder, or --overwrite"
        )
    before = {**DEFAULTS, **before}
    differs = [f"{name} {before.get(name)}" for name, value in choices.items() if before.get(name) != value]
    if differs:
        raise OccbenchError(
            f"--out {str(out)!r} holds another run already (with {', '.join(differs)}); "
            "give another folder, or --overwrite"
        )


def _check_content(out: Path, choices: Mapping[str, Any], content: Identity, seed: int) -> None:
    """Refuse to go on with a run that was measured on something else: what is finished is never thrown away.

    The manifest speaks for pieces of unfinished cells, the cells for themselves.
    """
    before = read_manifest(out).get("identity") or content
    known = {name: value for name, value in content.items() if name != OCCLUDERS or name in before}
    differs = changes(before, {**known, "seed": seed} if "seed" in before else known)
    for path in () if differs else sorted((out / PREDICTIONS).glob("*.parquet")):
        found = read_identity(path)
        if found is None or path.stem != cell_slug(found[0]):
            continue  # damaged, or no cell of the run
        wanted = cell_identity({**choices, **content}, found[0], seed)
        differs = changes(*({k: v for k, v in one.items() if k not in choices} for one in (found[1], wanted)))
        if differs:
            break
    if differs:
        raise OccbenchError(
            f"--out {str(out)!r} holds a run that was measured with {'; '.join(differs)}; "
            "give another folder, or --overwrite to throw that run away"
        )


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
