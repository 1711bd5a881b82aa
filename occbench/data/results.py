"""COCO keypoint results of any framework."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from ..errors import OccbenchError, quoted
from ..evaluation.types import Detections
from .coco import first_fault, in_memory, read_json
from .persons import Dataset

_FAR = 1e9
"""Px; a keypoint out there is as wrong as one further out, and the square of its distance is still a number."""


class _Result(BaseModel):
    image_id: int
    category_id: int = 1
    keypoints: list[FiniteFloat]
    score: FiniteFloat


def read_results(path: Path, dataset: Dataset) -> Detections:
    """Read COCO keypoint results.

    An empty list is valid: nobody was found, and the AP is 0. Ids of results say nothing: COCO's own reader numbers
    them anew.

    Args:
        path: ``[{"image_id", "category_id", "keypoints": [x, y, score, ...], "score"}, ...]``.
        dataset: The annotations that they are of.

    Raises:
        OccbenchError: The file is missing, is no list of results, or is of other keypoints or photos.
    """
    what = f"results file {str(path)!r}"
    raw = read_json(path, "results file")
    if not isinstance(raw, list):
        raise OccbenchError(f"{what} is no COCO keypoint-results file: it must be a list of persons")
    with in_memory(what, len(raw), "persons"):
        try:
            given = TypeAdapter(list[_Result]).validate_python(raw)
        except ValidationError as error:
            raise first_fault(error, what) from error
    results = [r for r in given if r.category_id == 1]
    if given and not results:
        raise OccbenchError(f"{what} has no result of category 1 (person), but {quoted(given[0].category_id)}")
    k = len(dataset.skeleton.keypoints)
    for number, result in enumerate(results):
        if len(result.keypoints) != 3 * k:
            raise OccbenchError(
                f"{what}: person {number} (image {quoted(result.image_id)}) has {len(result.keypoints)} keypoint "
                f"numbers, but the annotations have 3 x {k}"
            )
    unknown = [r.image_id for r in results if r.image_id not in dataset.photos]
    if unknown:
        raise OccbenchError(
            f"{what}: {len(unknown)} of {len(results)} persons are in images that the annotations do not have "
            f"(the first is {quoted(unknown[0])})"
        )
    points = np.array([r.keypoints for r in results], dtype=np.float64).reshape(-1, k, 3)
    return Detections(
        image=np.array([r.image_id for r in results], dtype=np.int64),
        keypoints=points[..., :2].clip(-_FAR, _FAR),
        scores=np.array([r.score for r in results], dtype=np.float64),
    )
