"""MPII: MMPose's JSON, with boxes exactly as its MpiiDataset makes them, and the original MATLAB file.

MPII counts pixels from 1. MMPose moves the centres of the boxes to a count from 0, leaves the joints as they are, and
adds 1 to every prediction before it measures PCKh. Here the joints are moved too, so that attacks land on them:
they are MMPose's less 1, and PCKh is the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..attacks import MPII
from ..system.errors import OccbenchError, quoted
from .jsonfile import Coordinate, first_fault, read_json
from .matfile import read_mat, variable
from .persons import Dataset, Photo
from .photos import decoded_size
from .records import Record, assemble, inside, require_folder

PIXEL_STD = 200.0
"""Px of a person's height that MPII's scale counts in."""
HEAD = 0.6
"""MPII's head size is this share of the head box's diagonal."""
JOINTS = len(MPII.keypoints)

Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Scale = Annotated[float, Field(ge=1e-3, le=1e4, allow_inf_nan=False)]  # boxes keep an area in float32


class _Person(BaseModel):
    image: str = Field(min_length=1, max_length=1000)
    center: Point
    scale: Scale
    joints: list[Point]
    joints_vis: list[Annotated[int, Field(ge=0, le=1)]]


def read_mpii(annotations: Path, images: Path, head_boxes: Path | None = None, name: str | None = None) -> Dataset:
    """Read MMPose's ``mpii_train.json``, ``mpii_val.json`` or ``mpii_trainval.json``.

    It does not say which joints are occluded: every labelled one counts as visible.

    Args:
        annotations: The file.
        images: The folder of the photos.
        head_boxes: ``mpii_gt_val.mat``, whose head boxes PCKh needs; None for none.
        name: For tables; the file's stem by default.

    Raises:
        OccbenchError: A file is missing, is not what it should be, or does not go with the other.
    """
    what = f"annotation file {str(annotations)!r}"
    raw = read_json(annotations, "annotation file")
    if not isinstance(raw, list):
        raise OccbenchError(f"{what} is not MMPose's JSON of MPII, which is a list of persons")
    bare = next((i for i, one in enumerate(raw) if isinstance(one, dict) and "joints" not in one), None)
    if bare is not None:
        raise OccbenchError(
            f"{what}: person {bare} has no joints; MPII's test joints are not published, use the others"
        )
    try:
        persons = TypeAdapter(list[_Person]).validate_python(raw)
    except ValidationError as error:
        raise first_fault(error, what) from error
    heads = np.full(len(persons), np.nan) if head_boxes is None else _head_sizes(head_boxes, len(persons), what)
    photos: dict[int, Photo] = {}
    records = []
    require_folder(images)
    for i, person in enumerate(persons):
        if not len(person.joints) == len(person.joints_vis) == JOINTS:
            raise OccbenchError(
                f"{what}: person {i} has {len(person.joints)} joints and {len(person.joints_vis)} flags, "
                f"but MPII has {JOINTS}"
            )
        photo = photo_of(photos, images, person.image, what)
        joints = np.array(person.joints, dtype=np.float64)
        visibility = 2 * np.array(person.joints_vis, dtype=np.int64)
        records.append(to_record(i, photo, joints, visibility, person.center, person.scale, heads[i]))
    return assemble(records, photos, MPII, "pckh", name or annotations.stem, annotations, images)


def _head_sizes(path: Path, persons: int, what: str) -> np.ndarray:
    """Shape (persons,), image px."""
    of = f"head boxes {str(path)!r}"
    boxes = variable(read_mat(path, "head boxes"), "headboxes_src", of)
    if boxes.ndim != 3 or boxes.shape[:2] != (2, 2) or not np.issubdtype(boxes.dtype, np.number):
        raise OccbenchError(f"{of}: 'headboxes_src' must have shape (2, 2, persons), but has {boxes.shape}")
    if boxes.shape[2] != persons:
        raise OccbenchError(f"{of} are of {boxes.shape[2]} persons, but {what} has {persons}: give those of this file")
    return np.asarray(HEAD * np.linalg.norm(boxes[1].astype(np.float64) - boxes[0], axis=0))


def photo_of(photos: dict[int, Photo], folder: Path, file_name: str, what: str) -> Photo:
    """The photo of a file name, which says its id; added to ``photos`` where it is new.

    Raises:
        OccbenchError: It is no name of MPII's.
    """
    stem = file_name.partition(".")[0]
    if not (stem.isascii() and stem.isdecimal() and len(stem) <= 18):
        raise OccbenchError(f"{what}: photo {quoted(file_name)} is none of MPII's, whose names are numbers")
    number = int(stem)
    if number not in photos:
        path = inside(folder, file_name, what)
        photos[number] = Photo(number, file_name, path, *decoded_size(path))
    if photos[number].file_name != file_name:
        raise OccbenchError(
            f"{what}: photos {quoted(photos[number].file_name)} and {quoted(file_name)} have the same number"
        )
    return photos[number]


def to_record(
    number: int,
    photo: Photo,
    joints: np.ndarray,
    visibility: np.ndarray,
    center: list[float],
    scale: float,
    head: float,
) -> Record:
    """A person with MMPose's box: centre moved down by 15 px of a 200 px person, sides 200 scale.

    Args:
        number: Of the person.
        photo: The photo.
        joints: Shape (16, 2), image px counted from 1.
        visibility: Shape (16,), int.
        center: x y of the person, image px counted from 1.
        scale: The person's height / 200 px.
        head: Head size, image px.
    """
    # In single precision and in this order, as MMPose has it: the crops are the same to the last bit.
    middle = np.array(center, dtype=np.float32)
    sides = np.array([scale, scale], dtype=np.float32) * PIXEL_STD
    if middle[0] != -1:
        middle[1] = middle[1] + 15.0 / PIXEL_STD * sides[1]
    middle = middle - 1
    corner = middle - 0.5 * sides
    box = np.concatenate([corner, corner + sides])
    area = float(np.clip((box[2:3] - box[:1]) * (box[3:] - box[1:2]) * 0.53, 1.0, None)[0])
    return Record(
        number, photo, joints - 1, visibility, box, area, head, middle, sides, crop=bool(joints.max(initial=0) > 0)
    )
