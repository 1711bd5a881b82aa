"""Boxes of any detector, in COCO's format of detection results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..system.errors import OccbenchError, quoted
from .jsonfile import Coordinate, Score, first_fault, in_memory, read_json
from .persons import Photo


class _Detection(BaseModel):
    image_id: int
    category_id: int = 1
    bbox: Annotated[list[Coordinate], Field(min_length=4)]
    score: Score


def read_detections(path: Path, photos: dict[int, Photo]) -> list[tuple[int, np.ndarray, float]]:
    """Read a COCO detection-results file: image id, box (x y width height, float64 image px) and score of each person.

    Other categories than person (1) are left out, as MMPose does.

    Raises:
        OccbenchError: The file is missing, is no detection-results list, or names photos that are not there.
    """
    what = f"detections file {str(path)!r}"
    raw = read_json(path, "detections file")
    if not isinstance(raw, list):
        raise OccbenchError(f"{what} is no COCO detection-results file: it must be a list of boxes")
    with in_memory(what, len(raw), "boxes"):
        try:
            parsed = TypeAdapter(list[_Detection]).validate_python(raw)
        except ValidationError as error:
            raise first_fault(error, what) from error
    persons = [d for d in parsed if d.category_id == 1]
    if not persons:
        raise OccbenchError(f"{what} has no box of category 1 (person)")
    unknown = [d.image_id for d in persons if d.image_id not in photos]
    if unknown:
        raise OccbenchError(
            f"{what}: {len(unknown)} of {len(persons)} boxes are of images that the annotations do not have "
            f"(the first is {quoted(unknown[0])}); give the detections of this data set"
        )
    for n, d in enumerate(persons):
        if d.bbox[2] <= 0 or d.bbox[3] <= 0:
            raise OccbenchError(f"{what}: person box {n} (image {d.image_id}) has no area: {d.bbox[:4]}")
        photo = photos[d.image_id]
        x, y, width, height = d.bbox[:4]
        if x >= photo.width or y >= photo.height or x + width <= 0 or y + height <= 0:
            raise OccbenchError(
                f"{what}: person box {n} (image {d.image_id}) lies outside {quoted(photo.file_name)} "
                f"({photo.width}x{photo.height}): {d.bbox[:4]}"
            )
    return [(d.image_id, np.array(d.bbox[:4], dtype=np.float64), d.score) for d in persons]
