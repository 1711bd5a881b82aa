"""The run folder: written beside its place, and moved there whole.

manifest.json       what was measured, with what, how
cells.csv           one row per cell and keypoint
predictions/*.json  COCO keypoint results of each cell
examples/           crops for the report
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import OccbenchError
from .evaluation.types import Detections

SCHEMA = 1
PACKAGES = ("torch", "torchvision", "numpy", "mmpose", "mmdet", "mmcv", "mmcv-lite", "mmengine", "opencv-python")


def is_run(folder: Path) -> bool:
    """Whether a folder is a finished run of occbench."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "occbench" in manifest and "schema" in manifest


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a place that is not free, before anything is computed.

    Raises:
        OccbenchError: It holds something else, or a run that may not be overwritten.
    """
    try:
        if not out.exists():
            return
        if not out.is_dir():
            raise OccbenchError(f"--out {str(out)!r} is a file; give a folder")
        if out.is_mount():  # a finished run cannot be moved onto it
            raise OccbenchError(f"--out {str(out)!r} is a mount point; give a folder in it")
        if not any(out.iterdir()):
            return
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    if not is_run(out):
        raise OccbenchError(f"--out {str(out)!r} holds files that are no run of occbench; give another folder")
    if not overwrite:
        raise OccbenchError(f"--out {str(out)!r} holds a run already; give another folder, or --overwrite")


@contextlib.contextmanager
def new_run(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write a run into; it takes the place of ``out`` when the block ends well, else it is removed.

    Raises:
        OccbenchError: ``out`` is taken or cannot be written.
    """
    check_out(out, overwrite)
    place = Path(os.path.realpath(out))  # a folder can take the place of a folder, but not of a link to one
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    try:
        draft.chmod(0o777 & ~_umask())
        yield draft
        _take_place(draft, place)
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _take_place(draft: Path, out: Path) -> None:
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
        os.replace(out, old)
        os.replace(draft, out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(draft, out)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write manifest.json, with the schema's number first."""
    text = json.dumps({"schema": SCHEMA, "occbench": occbench_version(), **manifest}, indent=2, allow_nan=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def write_cells(folder: Path, table: pd.DataFrame) -> None:
    """Write cells.csv; what is not measurable is empty."""
    table.to_csv(folder / "cells.csv", index=False, float_format="%.10g")


def write_predictions(path: Path, detections: Detections, keypoint_scores: np.ndarray) -> None:
    """Write COCO keypoint results.

    Args:
        path: The file.
        detections: D persons.
        keypoint_scores: Shape (D, K).

    Raises:
        OccbenchError: There is NaN or infinity among them, which JSON does not have.
    """
    triples = np.concatenate([detections.keypoints, keypoint_scores[..., None]], axis=-1).astype(np.float32)
    if not np.isfinite(triples).all():
        raise OccbenchError(f"the model predicts NaN or infinity in cell {path.stem}: check the weights")
    results = [
        {
            "image_id": int(image),
            "category_id": 1,
            # The shortest text that reads back as the same float32.
            "keypoints": [float(str(value)) for value in person.ravel()],
            "score": float(score),
        }
        for image, person, score in zip(detections.image, triples, detections.scores, strict=True)
    ]
    path.write_text(json.dumps(results), encoding="utf-8")


def occbench_version() -> str:
    """The installed version of occbench."""
    try:
        return version("occbench")
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, "pycocotools"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def git_commit() -> str | None:
    """Commit of the checkout that occbench runs from, with ``-dirty`` where it was changed; None outside of one."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(call, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
