"""The data of a training, read and checked as an attack's are before anything is built."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import FLIC, LSP, MPII, Skeleton
from ..data.custom import is_description
from ..data.findings import Finding, refuse_errors
from ..data.jsonfile import read_json
from ..data.nobody import on_nobody
from ..data.persons import Dataset
from ..data.photos import check_photos
from ..data.sources import FILES, KNOWN, open_dataset
from ..system.errors import OccbenchError


@dataclass(frozen=True)
class TrainingData:
    """Persons to train on or to validate on, and the file that MMPose is given of them.

    Attributes:
        annotations: The file that was read.
        images: The folder of the photos.
        skeleton: Keypoints and parts.
        labelled: Shape (N, K), bool: the keypoints of each labelled person.
        file: What was read, as MMPose's own data set class reads it: COCO's format, or its own of MPII.
        described: Whether the keypoints are others than those of COCO and MPII, which MMPose knows.
        findings: What was found out about the file and the photos.
        folder: Where that lies; it goes when nobody holds these data any more. None where ``file`` is the user's own.
    """

    annotations: Path
    images: Path
    skeleton: Skeleton
    labelled: np.ndarray = field(compare=False)
    file: Path = field(compare=False)
    described: bool = False
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    folder: tempfile.TemporaryDirectory[str] | None = field(default=None, compare=False, repr=False)

    @property
    def headboxes(self) -> Path:
        """Where MPII's head boxes lie, which its PCKh is measured by."""
        return self.annotations.with_name("mpii_gt_val.mat")


def training_data(
    data: str | Path, images: Path | None = None, skip_unreadable: bool = False, strict: bool = False
) -> TrainingData:
    """Read a data set with the reader of the attacks, and check every photo with a person.

    Args:
        data: As ``--data`` of an attack: a name, COCO's annotations, MMPose's of MPII, or a YAML description.
        images: The photos' folder; by default where an attack looks for it.
        skip_unreadable: Leave photos that cannot be read out, with their persons, in place of stopping.
        strict: Refuse annotations that are repaired or left out in part.

    Raises:
        OccbenchError: The data set is not what it should be, has no labelled person, or a photo is bad or missing.
    """
    if isinstance(data, Path) or data not in KNOWN:
        data = _existing(Path(data))
    dataset = open_dataset(str(data), images)
    refuse_errors(dataset.findings, str(data), strict)
    dataset = check_photos(dataset, skip_unreadable)
    dataset = replace(dataset, findings=(*dataset.findings, *on_nobody(dataset)))
    if dataset.skeleton is MPII and dataset.annotations.suffix != ".json":
        raise OccbenchError(
            f"MMPose trains on MPII by its own .json files, not by {dataset.annotations.name!r}: give mpii_train.json"
        )
    labelled = np.array([person.labelled for person in dataset.persons], bool)
    # MMPose knows the keypoints of COCO and MPII; others are told to it.
    described = is_description(data) if isinstance(data, Path) else False
    return _as_mmpose_reads(dataset, labelled, described or dataset.skeleton in (LSP, FLIC))


def _existing(path: Path) -> Path:
    if path.suffix.lower() not in FILES:
        raise OccbenchError(
            f"--data {str(path)!r} is none of a data set's name ({', '.join(KNOWN)}), a .json, a .yaml and a .mat to "
            "train on"
        )
    return path.resolve()


def _as_mmpose_reads(dataset: Dataset, labelled: np.ndarray, described: bool) -> TrainingData:
    annotations, images = dataset.annotations.resolve(), dataset.images.resolve()
    if dataset.skeleton is MPII and not dataset.skipped:
        return TrainingData(annotations, images, MPII, labelled, annotations, findings=dataset.findings)
    folder = tempfile.TemporaryDirectory(prefix="occbench-train-")
    file = Path(folder.name) / "annotations.json"
    content = _mpii_records(dataset) if dataset.skeleton is MPII else _coco_content(dataset)
    file.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return TrainingData(annotations, images, dataset.skeleton, labelled, file, described, dataset.findings, folder)


def _mpii_records(dataset: Dataset) -> list[dict[str, Any]]:
    """The records of the photos that were not left out."""
    return [r for r in read_json(dataset.annotations, "annotation file") if r["image"] not in dataset.skipped]


def _coco_content(dataset: Dataset) -> dict[str, Any]:
    """All that was read in COCO's format: with an area for everybody, and of what was repaired the repaired form."""
    truth, skeleton = dataset.truth, dataset.skeleton
    photos = [
        {"id": p.id, "file_name": os.path.relpath(p.path, dataset.images), "width": p.width, "height": p.height}
        for p in dataset.photos.values()
    ]
    keypoints = np.concatenate([truth.keypoints, truth.visibility[..., None]], axis=2).reshape(len(truth.ids), -1)
    people = [
        {
            "id": int(truth.ids[g]),
            "image_id": int(truth.image[g]),
            "category_id": 1,
            "bbox": truth.bbox[g].tolist(),
            "area": float(truth.area[g]),
            "keypoints": keypoints[g].tolist(),
            "num_keypoints": int(truth.num_keypoints[g]),
            "iscrowd": int(truth.crowd[g]),
        }
        for g in range(len(truth.ids))
    ]
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.keypoints), "skeleton": []}
    return {"images": photos, "annotations": people, "categories": [category]}


def whole_parts(data: TrainingData, parts: tuple[str, ...]) -> dict[str, np.ndarray]:
    """For each of ``parts`` that the data's skeleton has, which persons have all its keypoints labelled; (N,) bool."""
    return {
        part: np.all(data.labelled[:, data.skeleton.indices("part", part)], axis=1)
        for part in parts
        if part in data.skeleton.parts
    }
