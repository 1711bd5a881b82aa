"""MPII's original annotations, ``mpii_human_pose_v1_u12_1.mat``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import MPII
from ..system.errors import OccbenchError
from .matfile import fields, laid_out, number, read_mat, text, variable
from .mpii import HEAD, JOINTS, photo_of, to_record
from .persons import Dataset, Photo
from .records import Record, assemble, require_folder

_FAR = 1e6


@laid_out
def read_mpii_mat(annotations: Path, images: Path, name: str | None = None) -> Dataset:
    """Read the labelled persons of MPII's training photos, which are MMPose's training and validation photos together.

    A person counts who has joints, a position and a scale. Other than MMPose's JSON, this file says which joints are
    occluded, and the head boxes of all. Joints without that flag (head and neck) count as visible.

    Args:
        annotations: The file.
        images: The folder of the photos.
        name: For tables; the file's stem by default.

    Raises:
        OccbenchError: It is missing, or not what it should be.
    """
    what = f"annotation file {str(annotations)!r}"
    release = variable(read_mat(annotations, "annotation file"), "RELEASE", what)
    fields(release, ("annolist", "img_train"), f"{what}: 'RELEASE'")
    photos_of = release["annolist"].ravel()[0]
    training = np.asarray(release["img_train"].ravel()[0]).ravel()
    fields(photos_of, ("image", "annorect"), f"{what}: 'annolist'")
    photos_of = photos_of.ravel()
    if len(photos_of) != len(training):
        raise OccbenchError(f"{what} lists {len(photos_of)} photos, but says of {len(training)} whether they train")
    require_folder(images)
    photos: dict[int, Photo] = {}
    records: list[Record] = []
    for one in photos_of[training.astype(bool)]:
        for person in _persons(one["annorect"]):
            joints, visibility = _joints(person["annopoints"].ravel()[0]["point"].ravel(), what, len(records))
            image = one["image"]
            fields(image, ("name",), f"{what}: 'image'")
            photo = photo_of(photos, images, text(image["name"].ravel()[0]), what)
            position = person["objpos"].ravel()[0]
            center = [number(position[axis]) for axis in ("x", "y")]
            scale = number(person["scale"])
            if not (np.isfinite([*center, scale]).all() and 1e-3 <= scale <= 1e4 and max(map(abs, center)) <= _FAR):
                raise OccbenchError(f"{what}: person {len(records)} has no usable position and scale")
            records.append(to_record(len(records), photo, joints, visibility, center, scale, _head(person)))
    return assemble(records, photos, MPII, "pckh", name or annotations.stem, annotations, images)


def _persons(rectangles: np.ndarray) -> list[Any]:
    """The persons of a photo who have joints, a position and a scale."""
    needed = ("annopoints", "objpos", "scale")
    if not set(needed) <= set(rectangles.dtype.names or ()):
        return []
    found = []
    for person in rectangles.ravel():
        points = np.asarray(person["annopoints"])
        has_points = points.size and "point" in (points.dtype.names or ())
        position = np.asarray(person["objpos"])
        has_position = position.size and {"x", "y"} <= set(position.dtype.names or ())
        if has_points and has_position and np.isfinite(number(person["scale"])):
            found.append(person)
    return found


def _joints(points: np.ndarray, what: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints (16, 2), image px counted from 1, and visibility (16,)."""
    joints, visibility = np.zeros((JOINTS, 2)), np.zeros(JOINTS, dtype=np.int64)
    fields(points, ("id", "x", "y"), f"{what}: the joints of person {index}")
    flagged = "is_visible" in (points.dtype.names or ())
    for point in points:
        joint = number(point["id"])
        if joint not in range(JOINTS):
            raise OccbenchError(f"{what}: person {index} has a joint {joint:g}, but MPII's are 0 to {JOINTS - 1}")
        place = [number(point["x"]), number(point["y"])]
        if not np.abs(place).max() <= _FAR:
            raise OccbenchError(f"{what}: joint {joint:g} of person {index} lies at {place}, which is in no photo")
        joints[int(joint)] = place
        visibility[int(joint)] = 1 if flagged and number(point["is_visible"]) == 0 else 2
    return joints, visibility


def _head(person: Any) -> float:
    """Head size, image px; NaN without a head box."""
    if not {"x1", "y1", "x2", "y2"} <= set(person.dtype.names):
        return float("nan")
    x1, y1, x2, y2 = (number(person[edge]) for edge in ("x1", "y1", "x2", "y2"))
    return HEAD * float(np.hypot(x2 - x1, y2 - y1))
