"""The data set that a run was measured on, found again: where it was, beside the run, or where the user says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.coco import read_coco
from ..data.custom import is_description, read_description
from ..data.persons import Dataset
from ..data.sources import KNOWN, open_dataset, with_boxes
from ..system.download import sha256
from ..system.errors import OccbenchError
from . import skeleton
from .manifest import Manifest
from .store import DETECTIONS


def relative_to(run: Path, files: Mapping[str, Path | None]) -> dict[str, str | None]:
    """Paths as they are seen from a run folder: they hold where folders move together."""
    start = run.resolve()
    return {name: None if path is None else os.path.relpath(path.resolve(), start) for name, path in files.items()}


def dataset_of(
    manifest: Manifest, data: Path | None = None, images: Path | None = None, run: Path | None = None
) -> Dataset:
    """The data set that a run was measured on.

    A described data set is read with the keypoints that the run keeps; its description may be gone.

    Args:
        manifest: Of the run.
        data: The annotation file (or the description), where it has moved since.
        images: The image folder, likewise.
        run: The run folder, which keeps a detector's boxes and which relative paths start from; None for only the
            places that the files had.

    Raises:
        OccbenchError: Its annotations or detections cannot be found, or are others.
    """
    about, boxes = manifest["data"], manifest["boxes"]
    file = _detections(boxes, run)
    dataset = _read(manifest, data, images, run)
    _same(dataset.annotations, about["annotations_sha256"], "--data")
    if file is not None:
        _same(file, boxes["sha256"], "the detections")
    noise = str((manifest.get("choices") or {}).get("boxes", "gt")) if boxes.get("source") == "jitter" else "gt"
    dataset = with_boxes(dataset, noise if file is None else str(file), manifest["seed"])
    if about["limit"]:
        dataset = dataset.first(about["limit"])
    if about["skipped_images"]:
        skipped = {photo.id for photo in dataset.photos.values() if photo.file_name in set(about["skipped_images"])}
        dataset = dataset.without(skipped, tuple(about["skipped_images"]))
    return dataset


def _read(manifest: Manifest, data: Path | None, images: Path | None, run: Path | None) -> Dataset:
    """The annotations, with the annotated boxes."""
    about = manifest["data"]
    own = skeleton.described(manifest)
    if data is None and not own and about["name"] in KNOWN:
        return _known(about, images, run)
    folder = images
    if data is not None and own and is_description(data):
        given = read_description(data)
        data, folder = given.annotations, images or given.images
    elif data is None:
        data = _found(about, "annotations", run)
        if data is None:
            raise OccbenchError(
                f"the annotations of the run, {about['annotations']!r}, are not there any more: give the file with "
                "--data, and the photos' folder with --images"
            )
        folder = images or _found(about, "images", run)
    if not own:
        return open_dataset(str(data), folder)
    read, persons = skeleton.read(manifest), about.get("categories")
    return read_coco(data, folder or data.parent, about["name"], read, categories=persons)


def _known(about: Mapping[str, Any], images: Path | None, run: Path | None) -> Dataset:
    """A set with a name, where sets of that name lie, or else from the files that the run was given as such."""
    name, file = about["name"], _found(about, "annotations", run)
    try:
        named = open_dataset(name, images)
        if file is None or named.annotations.samefile(file):
            return named
    except OccbenchError:
        if file is None:
            raise
    return replace(open_dataset(str(file), images or _found(about, "images", run)), name=name)


def _detections(boxes: Mapping[str, Any], run: Path | None) -> Path | None:
    """The file of the run's boxes; None for annotated ones."""
    if boxes.get("file") is None:
        return None
    if run is not None and boxes["source"] == "detector":
        return run / DETECTIONS
    return _found(boxes, "file", run) or Path(boxes["file"])


def _found(about: Mapping[str, Any], name: str, run: Path | None) -> Path | None:
    """A file or folder of the run, at the place that it had or at the same one beside the run; None for neither."""
    places = [Path(about[name])]
    relative = (about.get("relative") or {}).get(name)
    if run is not None and relative is not None:
        places.append(run.resolve() / relative)
    return next((place for place in places if place.exists()), None)


def _same(path: Path, expected: Any, what: str) -> None:
    if sha256(path) != expected:
        raise OccbenchError(f"{str(path)!r} is not the file that was measured on (its sha256 differs): give {what}")
