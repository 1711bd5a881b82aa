"""From the persons of any annotation format to a data set: the steps that the readers share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..attacks import Skeleton
from ..evaluation.types import GroundTruth
from ..system.errors import OccbenchError, quoted
from .persons import Dataset, Person, Photo
from .spelling import PICTURES

MARGIN = 0.1
"""Share of the longer side by which a box around joints is grown where a data set annotates none."""
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, eq=False)
class Record:
    """An annotated person.

    Attributes:
        id: Of the annotation.
        photo: The photo.
        keypoints: Shape (K, 2), float64: x y in image px, pixel centres at whole numbers from 0.
        visibility: Shape (K,), int: COCO's 0, 1, 2.
        box: Shape (4,), float32: x1 y1 x2 y2 in image px.
        area: Of the person, image px squared.
        length: What errors are measured in, image px; NaN where it is not known.
        center: As of :class:`~.persons.Person`.
        scale: As of :class:`~.persons.Person`.
        crop: Whether a pose is estimated for it; otherwise it is only scored.
    """

    id: int
    photo: Photo
    keypoints: np.ndarray
    visibility: np.ndarray
    box: np.ndarray
    area: float
    length: float
    center: np.ndarray | None = None
    scale: np.ndarray | None = None
    crop: bool = True


def assemble(
    records: Sequence[Record],
    photos: dict[int, Photo],
    skeleton: Skeleton,
    metric: str,
    name: str,
    annotations: Path,
    images: Path,
) -> Dataset:
    """The data set of ``records``: the truth in their order, the persons photo by photo.

    Raises:
        OccbenchError: There is nobody.
    """
    by_photo: dict[int, list[Person]] = {i: [] for i in photos}
    for r in records:
        if r.crop:
            points = r.keypoints.astype(np.float32)
            by_photo[r.photo.id].append(
                Person(r.id, r.id, r.photo, r.box, 1.0, points, r.visibility, r.center, r.scale)
            )
    persons = tuple(person for group in by_photo.values() for person in group)
    if not persons:
        raise OccbenchError(
            f"annotation file {str(annotations)!r} has no person with labelled keypoints: there is nothing to measure"
        )
    k = len(skeleton.keypoints)
    boxes = np.array([r.box for r in records], dtype=np.float64).reshape(-1, 4)
    visibility = np.array([r.visibility for r in records], dtype=np.int64).reshape(-1, k)
    truth = GroundTruth(
        image_ids=np.array(sorted(photos), dtype=np.int64),
        image=np.array([r.photo.id for r in records], dtype=np.int64),
        keypoints=np.array([r.keypoints for r in records], dtype=np.float64).reshape(-1, k, 2),
        visibility=visibility,
        bbox=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        area=np.array([r.area for r in records], dtype=np.float64),
        num_keypoints=np.count_nonzero(visibility, axis=1),
        crowd=np.zeros(len(records), dtype=bool),
        ids=np.array([r.id for r in records], dtype=np.int64),
    )
    return Dataset(
        name=name,
        skeleton=skeleton,
        sigmas=np.array(skeleton.sigmas),
        photos=photos,
        persons=persons,
        truth=truth,
        annotations=annotations,
        images=images,
        metric=metric,
        lengths=np.array([r.length for r in records], dtype=np.float64),
    )


def box_around(keypoints: np.ndarray, labelled: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The rectangle of the labelled joints, grown by :data:`MARGIN` and clipped to the photo as MMPose clips boxes.

    Args:
        keypoints: Shape (K, 2), image px.
        labelled: Shape (K,), bool.
        size: Width and height of the photo; zeros where they are not known.

    Returns:
        Shape (4,), float32: x1 y1 x2 y2; None where the joints make no rectangle inside the photo.
    """
    if labelled.sum() < 2:
        return None
    points = keypoints[labelled]
    low, high = points.min(0), points.max(0)
    grow = MARGIN * float((high - low).max())
    corners = np.stack([low - grow, high + grow])
    if all(size):
        corners = corners.clip(0, np.array(size) - 1)
    box = corners.ravel().astype(np.float32)
    return box if (box[2:] > box[:2]).all() else None


def torso(keypoints: np.ndarray, labelled: np.ndarray, skeleton: Skeleton) -> float:
    """From the left shoulder to the right hip, or else from the right to the left; NaN where neither is labelled."""
    for shoulder, hip in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        ends = [skeleton.keypoints.index(shoulder), skeleton.keypoints.index(hip)]
        if labelled[ends].all():
            return float(np.hypot(*(keypoints[ends[0]] - keypoints[ends[1]])))
    return float("nan")


def inside(folder: Path, file_name: str, what: str) -> Path:
    """The path of a photo below its folder.

    Raises:
        OccbenchError: The name leads elsewhere.
    """
    path = PurePosixPath(file_name.replace("\\", "/"))
    if not file_name or "\0" in file_name or path.is_absolute() or ".." in path.parts:
        raise OccbenchError(f"{what}: {quoted(file_name)} is no file name of a photo in the image folder")
    return folder / file_name


def require_folder(images: Path) -> Path:
    """The image folder.

    Raises:
        OccbenchError: It does not exist.
    """
    if not os.path.isdir(images):  # which, other than Path.is_dir, takes any name for an answer
        raise OccbenchError(f"image folder {quoted(str(images), 300)} does not exist")
    return images


def has_pictures(images: Path) -> bool:
    """Whether any file of a folder is named as a photo."""
    try:
        return any(os.path.splitext(name)[1].lower() in PICTURES for name in os.listdir(images))
    except OSError:
        return False


def count_pictures(images: Path) -> int:
    """How many pictures lie in a folder; 0 where there is no folder."""
    if not images.is_dir():
        return 0
    return sum(path.suffix.lower() in _SUFFIXES for path in images.iterdir())
