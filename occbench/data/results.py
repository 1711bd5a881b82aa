"""Keypoint results of any framework, in COCO's format, for any data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from ..evaluation.types import Detections
from ..system.errors import OccbenchError, quoted
from .coco import first_fault, in_memory, read_json
from .persons import Dataset

_FAR = 1e9
"""Px; a keypoint out there is as wrong as one further out, and the square of its distance is still a number."""


class _Result(BaseModel):
    image_id: int
    category_id: int = 1
    keypoints: list[FiniteFloat]
    score: FiniteFloat
    annotation_id: int | None = None


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
    results = _read(path, dataset)
    return Detections(
        image=np.array([r.image_id for r in results], dtype=np.int64),
        keypoints=_points(results, len(dataset.skeleton.keypoints)),
        scores=np.array([r.score for r in results], dtype=np.float64),
    )


def read_poses(path: Path, dataset: Dataset) -> np.ndarray:
    """Read keypoint results for a data set whose metric takes one pose per annotated person (PCKh, PCK, PDJ).

    Whose pose a result is, its ``annotation_id`` says; without one it is that of the only person of its photo. Of
    several results for a person the one with the best score is taken, the first where they are equal.

    Args:
        path: As for :func:`read_results`.
        dataset: The annotations that they are of.

    Returns:
        Shape (G, K, 2), float64, image px, by annotation; NaN for a person without a result, who has nothing right.

    Raises:
        OccbenchError: See :func:`read_results`; or nobody can tell whose pose a result is.
    """
    results = _read(path, dataset)
    points = _points(results, len(dataset.skeleton.keypoints))
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    by_image: dict[int, list[int]] = {}
    for g, image in enumerate(dataset.truth.image.tolist()):
        by_image.setdefault(image, []).append(g)
    poses = np.full(dataset.truth.keypoints.shape, np.nan)
    best = np.full(len(row), -np.inf)
    for number, result in enumerate(results):
        here = by_image.get(result.image_id, [])
        g = here[0] if result.annotation_id is None and len(here) == 1 else row.get(result.annotation_id or 0, -1)
        if g not in here:
            what = f"results file {str(path)!r}: person {number} (image {result.image_id})"
            if result.annotation_id is not None:
                raise OccbenchError(f"{what} has annotation_id {result.annotation_id}, which is nobody of that image")
            raise OccbenchError(
                f"{what} has no annotation_id, and {len(here)} persons are annotated there: {dataset.name} is scored "
                "by one pose per annotated person, so say whose it is"
            )
        if result.score > best[g]:
            poses[g], best[g] = points[number], result.score
    return poses


def _points(results: list[_Result], k: int) -> np.ndarray:
    """Shape (N, K, 2), float64, image px."""
    points = np.array([r.keypoints for r in results], dtype=np.float64).reshape(-1, k, 3)
    return points[..., :2].clip(-_FAR, _FAR)


def _read(path: Path, dataset: Dataset) -> list[_Result]:
    """The persons of a results file, checked against the annotations."""
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
    return results
