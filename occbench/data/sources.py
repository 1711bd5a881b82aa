"""The data sets and boxes that the command line knows, by name or by file."""

from __future__ import annotations

import importlib
import math
import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..system.errors import OccbenchError, unknown_name
from ..system.paths import data_dir
from .known import BY_NAME, KnownSet
from .persons import Dataset
from .records import require_folder

KNOWN = ("sample", *BY_NAME)
FILES = (".json", ".mat", ".yaml", ".yml")
"""How the files end that ``--data`` takes."""


def open_dataset(data: str, images: Path | None = None, boxes: str = "gt", seed: int = 0) -> Dataset:
    """Read a data set by name or file, with the boxes asked for.

    Args:
        data: A name of :data:`KNOWN`; a JSON of COCO, CrowdPose or MPII; a MATLAB file of MPII, LSP, LSPET or FLIC
            (what it is, its content says); or a YAML that describes a set of the user's own.
        images: Image folder; by default that of the named set, or the folder ``images`` beside the file's folder, or
            beside the file, or the file's own.
        boxes: ``gt``, ``jitter:S`` (the annotated ones, shifted and scaled by up to a share S of their size), or the
            path of a COCO detection-results file.
        seed: Of the jitter.

    Raises:
        OccbenchError: It is not there or is not what it should be.
    """
    jitter_of(boxes)  # before anything is read
    return with_boxes(_open(data, images), boxes, seed)


def with_boxes(dataset: Dataset, boxes: str, seed: int = 0) -> Dataset:
    """A data set with the boxes asked for in place of the annotated ones; ``boxes`` and ``seed`` as above."""
    amount = jitter_of(boxes)
    if amount is not None:
        from .jitter import jittered

        return jittered(dataset, amount, seed)
    if boxes == "gt":
        return dataset
    from .matching import with_detections

    return with_detections(dataset, Path(boxes))


def jitter_of(boxes: str) -> float | None:
    """The S of ``jitter:S``, or None for other boxes.

    Raises:
        OccbenchError: It is no share from 0 to 1.
    """
    kind, colon, text = boxes.partition(":")
    if kind != "jitter" or not colon:
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 < amount < 1:
        raise OccbenchError(f"--boxes {boxes!r}: S must be a share of the box above 0 and below 1, as in jitter:0.1")
    return amount


def detector_of(boxes: str) -> str | None:
    """The NAME (or config) of ``detector:NAME``, or None for other boxes.

    Raises:
        OccbenchError: It names none.
    """
    kind, colon, name = boxes.partition(":")
    if kind != "detector":
        return None
    if not (colon and name):
        raise OccbenchError(
            f"--boxes {boxes!r} names no detector: give detector:NAME, a name of `occbench ls detectors`, or "
            "detector:CONFIG.py"
        )
    return name


def _open(data: str, images: Path | None) -> Dataset:
    if data == "sample":
        from .coco import read_coco
        from .synthetic import embedded_sample

        annotations, folder = embedded_sample()
        return replace(read_coco(annotations, folder, name="sample"), synthetic=True)
    if data in BY_NAME:
        return _read_known(BY_NAME[data], images)
    path = Path(data)
    if path.suffix.lower() not in FILES:
        raise unknown_name("dataset", data, KNOWN)
    if images is not None:
        require_folder(images)
    if path.suffix.lower() in (".yaml", ".yml"):
        from .custom import read_custom

        return read_custom(path, images)
    if images is None:
        beside = [path.parent.parent / "images", path.parent / "images", path.parent]
        images = next((folder for folder in beside if folder.is_dir()), path.parent)
    return _read_mat(path, images) if path.suffix.lower() == ".mat" else _read_json(path, images)


def _read_known(known: KnownSet, images: Path | None) -> Dataset:
    root = data_dir()
    absent = next((root / file for file in known.files if not (root / file).is_file()), None)
    if absent is not None:
        raise OccbenchError(
            f"{known.name} is not at {str(absent)!r}: `occbench fetch {known.fetch}` brings it or says where it is to "
            "be had; OCCBENCH_DATA names the folder of the data sets"
        )
    options = {key: root / value if isinstance(value, Path) else value for key, value in known.options}
    module, _, function = known.reader.partition(":")
    read: Callable[..., Dataset] = getattr(importlib.import_module(f".{module}", __package__), function)
    return read(root / known.annotations, images or root / known.images, name=known.name, **options)


def _read_json(path: Path, images: Path) -> Dataset:
    """COCO's format, that of CrowdPose included, or MMPose's of MPII with the head boxes that lie beside it."""
    kind = _kind_of_json(path)
    if kind == "mpii":
        from .mpii import read_mpii

        heads = path.with_name(f"mpii_gt_{path.stem.removeprefix('mpii_')}.mat")
        return read_mpii(path, images, heads if heads.is_file() else None)
    if kind == "exported":
        from .custom import read_exported

        return read_exported(path, images)
    if kind == "crowdpose":
        from .crowded import read_crowdpose

        return read_crowdpose(path, images)
    from .coco import read_coco

    return read_coco(path, images)


def _kind_of_json(path: Path) -> str:
    """How a JSON is read: ``mpii``, ``crowdpose``, ``exported`` (with keypoints of its own) or ``coco``.

    By a look at the text: the reader parses it, and says what is wrong with it.

    MPII's is a list of persons with a center; CrowdPose's photos have a crowd index, and its people no nose.
    """
    from .jsonfile import MAX_JSON

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if len(text) > MAX_JSON:
                return "coco"  # whose reader says so
            if text[:64].lstrip().startswith(b"[") and text.find(b'"center"') >= 0:
                return "mpii"
            if text.find(b'"occbench_skeleton"') >= 0:
                return "exported"
            crowded = text.find(b'"crowdIndex"') >= 0 and text.find(b'"nose"') < 0
            return "crowdpose" if crowded else "coco"
    except (OSError, ValueError):
        return "coco"


def _read_mat(path: Path, images: Path) -> Dataset:
    """MPII, LSP, LSPET or FLIC: their files have variables of different names."""
    from .flic import read_flic
    from .lsp import read_lsp
    from .matfile import read_mat
    from .mpii_mat import read_mpii_mat

    found = read_mat(path, "annotation file")
    if "RELEASE" in found:
        return read_mpii_mat(path, images)
    if "examples" in found:
        return read_flic(path, images)
    if "joints" in found:
        return read_lsp(path, images)
    has = ", ".join(sorted(found)[:5]) or "nothing"
    raise OccbenchError(
        f"annotation file {str(path)!r} is none of MPII's (RELEASE), LSP's (joints) or FLIC's (examples): it has {has}"
    )
