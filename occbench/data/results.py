"""Keypoint results of any framework, in COCO's format, for any data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from ..evaluation.types import Detections
from ..system.errors import OccbenchError, quoted
from .findings import Finding, found
from .jsonfile import encoding_of, first_fault, in_memory, read_json
from .naming import category_text, person_categories, with_numbers
from .persons import Dataset
from .recognise import other_format
from .suspects import look

_FAR = 1e9
"""Px; a keypoint out there is as wrong as one further out, and the square of its distance is still a number."""


class _Result(BaseModel):
    image_id: int
    category_id: str = "1"
    keypoints: list[FiniteFloat]
    score: FiniteFloat
    annotation_id: int | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """The persons of a results file, checked against the annotations.

    Attributes:
        what: The file, for messages.
        image: Shape (D,), int64: image ids of the annotations.
        keypoints: Shape (D, K, 2), float64, image px.
        keypoint_scores: Shape (D, K), float64: the third number of each keypoint.
        scores: Shape (D,), float64.
        annotation: Whose pose each is, where it says so.
        findings: What was found out about the file.
    """

    what: str
    image: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray
    annotation: Sequence[int | None]
    findings: tuple[Finding, ...]

    def detections(self) -> Detections:
        """For COCO's AP."""
        return Detections(image=self.image, keypoints=self.keypoints, scores=self.scores)

    def without(self, images: set[int]) -> Results:
        """The results but for some photos."""
        keep = ~np.isin(self.image, list(images))
        left = [number for number, kept in zip(self.annotation, keep, strict=True) if kept]
        image, points, scores = self.image[keep], self.keypoints[keep], self.scores[keep]
        return Results(self.what, image, points, self.keypoint_scores[keep], scores, left, self.findings)


def read_results(path: Path, dataset: Dataset) -> Results:
    """Read COCO keypoint results.

    An empty list is valid: nobody was found, and the AP is 0. Ids of results say nothing: COCO's own reader numbers
    them anew. A photo is named by its image id; where that is no id of the annotations, by its file name, with or
    without its folder and its ending (as AlphaPose and Ultralytics do).

    Args:
        path: ``[{"image_id", "category_id", "keypoints": [x, y, score, ...], "score"}, ...]``.
        dataset: The annotations that they are of.

    Raises:
        OccbenchError: The file is missing, is no list of results, or is of other keypoints or photos.
    """
    what = f"results file {str(path)!r}"
    raw = read_json(path, "results file")
    if not isinstance(raw, list):
        raise OccbenchError(f"{what} is no COCO keypoint-results file: {other_format(raw)}it must be a list of persons")
    encoding = encoding_of(path)
    text = "{file} is {encoding}, not plain UTF-8"
    findings = found("encoding", text, int(bool(encoding)), file=what, encoding=encoding)
    with in_memory(what, len(raw), "persons"):
        numbered, named = with_numbers(raw, dataset, what)
        try:
            given = TypeAdapter(list[_Result]).validate_python([_tidy(entry) for entry in numbered])
        except ValidationError as error:
            raise first_fault(error, what) from error
    persons = person_categories((r.category_id for r in given), dataset)
    results = [r for r in given if r.category_id in persons]
    if given and not results:
        wanted = " or ".join(sorted(dataset.categories | {"1"}))
        raise OccbenchError(
            f"{what} has no result of category {wanted} (person), but {given[0].category_id[:100]}: give them that one"
        )
    k = len(dataset.skeleton.keypoints)
    empty, results = len(results), [r for r in results if r.keypoints]
    empty -= len(results)
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
    triples = np.array([r.keypoints for r in results], dtype=np.float64).reshape(-1, k, 3)
    points = triples[..., :2].clip(-_FAR, _FAR)
    image = np.array([r.image_id for r in results], dtype=np.int64)
    scores = np.array([r.score for r in results], dtype=np.float64)
    others = Counter(r.category_id for r in given if r.category_id not in persons)
    findings += (
        *named,
        *found(
            "results-category",
            "{n} result[ is|s are] of other categories than the persons: {others}",
            others.total(),
            others=", ".join(others)[:100],
        ),
        *found("results-empty", "{n} result[ has|s have] no keypoints", empty),
        *look(image, points, scores, dataset),
    )
    return Results(what, image, points, triples[..., 2], scores, [r.annotation_id for r in results], findings)


def _tidy(entry: Any) -> Any:
    """A result as MMPose and others nest it: [[x, y, score], ...], or [[x, y], ...] with scores beside it."""
    if not isinstance(entry, dict):
        return entry
    entry = dict(entry)
    entry["category_id"] = category_text(entry)
    points = entry.get("keypoints")
    if isinstance(points, list) and points and all(isinstance(p, list) for p in points):
        scores = entry.get("keypoint_scores")
        if isinstance(scores, list) and len(scores) == len(points) and all(len(p) == 2 for p in points):
            points = [[*p, s] for p, s in zip(points, scores, strict=True)]
        entry["keypoints"] = [number for point in points for number in point]
    return entry


def poses(results: Results, dataset: Dataset) -> np.ndarray:
    """The poses of a data set whose metric takes one per annotated person (PCKh, PCK, PDJ).

    Whose pose a result is, its ``annotation_id`` says; without one it is that of the only person of its photo. Of
    several results for a person the one with the best score is taken, the first where they are equal.

    Returns:
        Shape (G, K, 2), float64, image px, by annotation; NaN for a person without a result, who has nothing right.

    Raises:
        OccbenchError: Nobody can tell whose pose a result is.
    """
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    by_image: dict[int, list[int]] = {}
    for g, image in enumerate(dataset.truth.image.tolist()):
        by_image.setdefault(image, []).append(g)
    found_ = np.full(dataset.truth.keypoints.shape, np.nan)
    best = np.full(len(row), -np.inf)
    for number, (image, annotation) in enumerate(zip(results.image.tolist(), results.annotation, strict=True)):
        here = by_image.get(image, [])
        g = here[0] if annotation is None and len(here) == 1 else row.get(annotation or 0, -1)
        if g not in here:
            what = f"{results.what}: person {number} (image {image})"
            if annotation is not None:
                raise OccbenchError(f"{what} has annotation_id {annotation}, which is nobody of that image")
            raise OccbenchError(
                f"{what} has no annotation_id, and {len(here)} persons are annotated there: {dataset.name} is scored "
                "by one pose per annotated person, so say whose it is"
            )
        if results.scores[number] > best[g]:
            found_[g], best[g] = results.keypoints[number], results.scores[number]
    return found_


def lacking(results: Results, dataset: Dataset) -> list[int]:
    """The photos with labelled people that have no result, by image id."""
    truth = dataset.truth
    peopled = np.unique(truth.image[(truth.num_keypoints > 0) & ~truth.crowd])
    return [int(number) for number in np.setdiff1d(peopled, results.image)]
