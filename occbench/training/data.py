"""The data of a training, checked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import COCO, MPII, Skeleton
from ..data.custom import is_description, read_description
from ..data.jsonfile import read_json
from ..system.errors import OccbenchError


@dataclass(frozen=True)
class TrainingData:
    """A keypoint annotation file, COCO's or MMPose's of MPII, and the folder of its photos.

    Attributes:
        annotations: The file.
        images: The folder.
        skeleton: Keypoints and parts.
        labelled: Shape (N, K), bool: the keypoints of each labelled person.
        described: Whether the user described the keypoints.
    """

    annotations: Path
    images: Path
    skeleton: Skeleton = COCO
    labelled: np.ndarray = field(default_factory=lambda: np.empty((0, len(COCO.keypoints)), bool), compare=False)
    described: bool = False

    @property
    def headboxes(self) -> Path:
        """Where MPII's head boxes lie, which its PCKh is measured by."""
        return self.annotations.with_name("mpii_gt_val.mat")


def training_data(annotations: Path, images: Path | None = None) -> TrainingData:
    """Check a data set before anything is built.

    Args:
        annotations: COCO keypoint annotations, or MPII's in MMPose's form; or the YAML file that describes a data set
            of the user's own.
        images: The photos' folder; by default ``images`` beside the annotations, else the annotations' own folder.

    Raises:
        OccbenchError: The file is missing or neither of the two, has no labelled person, or photos are missing.
    """
    given = read_description(annotations.resolve()) if is_description(annotations) else None
    if given is not None:
        annotations, images = given.annotations, images or given.images
    annotations = annotations.resolve()
    what = f"annotation file {str(annotations)!r}"
    content = read_json(annotations, "annotation file")
    skeleton, records = _records(content, what)
    if given is not None:
        skeleton = given.skeleton
    try:
        labelled = np.array([_labelled(record, skeleton) for record in records], bool)
    except (TypeError, ValueError, KeyError) as error:
        raise OccbenchError(f"{what} has a person without {len(skeleton.keypoints)} whole keypoints") from error
    if not labelled.any():
        raise OccbenchError(f"{what} has no person with labelled keypoints; give a COCO or MPII keypoint file")
    if images is None:
        beside = annotations.parent / "images"
        images = beside if beside.is_dir() else annotations.parent
    if not images.is_dir():
        raise OccbenchError(f"the folder of photos {str(images)!r} does not exist; name it with --images")
    _check_photos(content, records, images, what)
    return TrainingData(annotations, images.resolve(), skeleton, labelled[labelled.any(1)], given is not None)


def _records(content: Any, what: str) -> tuple[Skeleton, list[dict[str, Any]]]:
    """The skeleton, and the annotations of persons that MMPose trains on."""
    if isinstance(content, list) and content and all(isinstance(r, dict) and "joints_vis" in r for r in content):
        return MPII, content
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise OccbenchError(f"{what} is no COCO file: it has no list 'annotations' (nor is it MMPose's MPII file)")
    if not isinstance(content.get("images"), list):
        raise OccbenchError(f"{what} is no COCO file: it has no list 'images'")
    records = [r for r in content["annotations"] if isinstance(r, dict)]
    return COCO, [r for r in records if r.get("num_keypoints", 1) and r.get("keypoints") and not r.get("iscrowd", 0)]


def _labelled(record: dict[str, Any], skeleton: Skeleton) -> np.ndarray:
    if skeleton is MPII:
        visible = np.array(record["joints_vis"], np.float64)
    else:
        visible = np.array(record["keypoints"], np.float64).reshape(len(skeleton.keypoints), 3)[:, 2]
    if visible.shape != (len(skeleton.keypoints),):
        raise ValueError(visible.shape)
    return visible > 0


def _check_photos(content: Any, records: list[dict[str, Any]], images: Path, what: str) -> None:
    """Every photo with a person must be there: a training must not end hours later for want of one."""
    if isinstance(content, list):
        names = {str(record.get("image")) for record in records}
    else:
        used = {record.get("image_id") for record in records}
        names = {str(i.get("file_name")) for i in content["images"] if isinstance(i, dict) and i.get("id") in used}
    missing = sorted(name for name in names if not (images / name).is_file())
    if missing:
        more = f" and {len(missing) - 1} more of {len(names)} photos" if len(missing) > 1 else ""
        verb = "are" if more else "is"
        raise OccbenchError(f"photo {missing[0]!r}{more} of {what} {verb} not in {str(images)!r}; check --images")


def whole_parts(data: TrainingData, parts: tuple[str, ...]) -> dict[str, np.ndarray]:
    """For each of ``parts`` that the data's skeleton has, which persons have all its keypoints labelled; (N,) bool."""
    return {
        part: np.all(data.labelled[:, data.skeleton.indices("part", part)], axis=1)
        for part in parts
        if part in data.skeleton.parts
    }
