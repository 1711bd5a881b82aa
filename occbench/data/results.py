"""Keypoint results of any framework, in COCO's format, for any data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from ..evaluation.types import Detections
from ..system.errors import OccbenchError, quoted
from .findings import Finding, found
from .jsonfile import encoding_of, first_fault, in_memory, read_json
from .persons import Dataset
from .recognise import other_format
from .spelling import file_name

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
        arrays = (array[keep] for array in (self.image, self.keypoints, self.keypoint_scores, self.scores))
        return Results(self.what, *arrays, left, self.findings)


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
    findings = found("encoding", f"{what} is not plain UTF-8: it has or is {encoding}", int(bool(encoding)))
    with in_memory(what, len(raw), "persons"):
        numbered, named = _photos(raw, dataset, what)
        try:
            given = TypeAdapter(list[_Result]).validate_python([_tidy(entry) for entry in numbered])
        except ValidationError as error:
            raise first_fault(error, what) from error
    results = [r for r in given if r.category_id in dataset.categories | {"1"}]
    if given and not results:
        raise OccbenchError(f"{what} has no result of category 1 (person), but {given[0].category_id[:100]}")
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
    triples = np.array([r.keypoints for r in results], dtype=np.float64).reshape(-1, k, 3)
    points = triples[..., :2].clip(-_FAR, _FAR)
    image = np.array([r.image_id for r in results], dtype=np.int64)
    scores = np.array([r.score for r in results], dtype=np.float64)
    others = Counter(r.category_id for r in given if r.category_id not in dataset.categories | {"1"})
    findings += (
        *named,
        *found("results-category", f"{{n}} results are of other categories: {', '.join(others)[:100]}", others.total()),
        *_look(points, scores),
        *_contradiction(image, points, dataset),
    )
    return Results(what, image, points, triples[..., 2], scores, [r.annotation_id for r in results], findings)


def _tidy(entry: Any) -> Any:
    """A result as MMPose and others nest it: [[x, y, score], ...], or [[x, y], ...] with scores beside it."""
    if not isinstance(entry, dict):
        return entry
    entry = dict(entry)
    category = entry.get("category_id")
    entry["category_id"] = "1" if category is None else str(category).removesuffix(".0")
    points = entry.get("keypoints")
    if isinstance(points, list) and points and all(isinstance(p, list) for p in points):
        scores = entry.get("keypoint_scores")
        if isinstance(scores, list) and len(scores) == len(points) and all(len(p) == 2 for p in points):
            points = [[*p, s] for p, s in zip(points, scores, strict=True)]
        entry["keypoints"] = [number for point in points for number in point]
    return entry


def _photos(raw: list[Any], dataset: Dataset, what: str) -> tuple[list[Any], tuple[Finding, ...]]:
    """The entries with image ids of the annotations: as given, by the annotations' text ids, or by file names.

    Raises:
        OccbenchError: An image id is text that names no photo, or an entry's id and file name are of two photos.
    """
    entries = [e for e in raw if isinstance(e, dict) and isinstance(e.get("image_id"), (int, str))]
    given = {_key(e["image_id"]) for e in entries}
    numbers = {str(number) for number in dataset.photos}
    names = _by_name(dataset)
    if dataset.image_names and given <= dataset.image_names.keys():
        return [_numbered(e, dataset.image_names) for e in raw], ()
    if given <= numbers:
        _check_names(entries, names, what)
        return raw, ()
    if given <= names.keys():
        findings = found("results-by-name", "the image ids of {n} results are file names", len(entries))
        return [_numbered(e, names) for e in raw], findings
    texts = sorted(key for key in given if not key.lstrip("+-").isdecimal() and key not in names)
    if texts:
        raise OccbenchError(
            f"{what}: image_id {quoted(texts[0])} is neither an id nor a file name of the annotations' photos "
            f"(one of them has id {next(iter(dataset.photos))} and is {quoted(_first(dataset))}); so are "
            f"{len(texts) - 1} more"
        )
    return raw, ()


def _first(dataset: Dataset) -> str:
    return next(iter(dataset.photos.values())).file_name


def _key(image_id: int | str) -> str:
    """An image id as text; numbers in text without leading zeros, which a file name may have."""
    return str(image_id).strip()


def _by_name(dataset: Dataset) -> dict[str, int]:
    """The photos by their file names: whole, without the folder, without the ending, and that as a number."""
    found_: dict[str, set[int]] = {}
    for photo in dataset.photos.values():
        path = PurePosixPath(file_name(photo.file_name))
        keys = {str(path), path.name, str(path.with_suffix("")) if path.name else "", path.stem}
        if path.stem.isascii() and path.stem.isdecimal():
            keys.add(str(int(path.stem[:300])))
        for key in keys:
            found_.setdefault(key, set()).add(photo.id)
    return {key: next(iter(photos)) for key, photos in found_.items() if len(photos) == 1}


def _numbered(entry: Any, numbers: Mapping[str, int]) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), (int, str)):
        return entry
    return {**entry, "image_id": numbers[_key(entry["image_id"])]}


def _check_names(entries: list[dict[str, Any]], names: Mapping[str, int], what: str) -> None:
    """Refuse results that name one photo by id and another by file name."""
    for number, entry in enumerate(entries):
        name = entry.get("file_name") or entry.get("image_name")
        if not isinstance(name, str):
            continue
        key = name if name in names else PurePosixPath(file_name(name)).name
        if key in names and names[key] != int(entry["image_id"]):
            raise OccbenchError(
                f"{what}: person {number} has image_id {entry['image_id']}, but file name {quoted(name)}, which is "
                f"image {names[key]} of the annotations: number the results as the annotations do"
            )


def _look(points: np.ndarray, scores: np.ndarray) -> tuple[Finding, ...]:
    """Coordinates and scores of other conventions."""
    if not len(points):
        return ()
    shares = bool(points.min() >= -0.5 and points.max() <= 1.5 and points.max() > 0)
    below = int((scores < 0).sum())
    alike = len(scores) > 2 and bool((scores == scores[0]).all())
    return (
        *found(
            "results-normalised",
            "all keypoints of {n} results lie within 1 px of the photo's corner: are they shares of the photo, to be "
            "multiplied by its width and height?",
            len(points) if shares else 0,
        ),
        *found("results-scores", "the scores of {n} results are negative: are they logits or distances?", below),
        *found(
            "results-alike",
            "the scores of all {n} results are the same, so AP goes by their order",
            len(scores) * alike,
        ),
    )


def _contradiction(image: np.ndarray, points: np.ndarray, dataset: Dataset) -> tuple[Finding, ...]:
    """Ids that fit the annotations, but people who fit the photos whose file names have these numbers."""
    names = {key: number for key, number in _by_name(dataset).items() if key.isdecimal()}
    other = np.array([names.get(str(number), -1) for number in image.tolist()], dtype=np.int64)
    if len(image) < 3 or (other < 0).any() or (other == image).all():
        return ()
    by_id, by_name = (_fit(ids, points, dataset) for ids in (image, other))
    if not (by_name > 0.6 and by_name > 2 * by_id):
        return ()
    return found(
        "results-contradict",
        f"{{n}} results have ids of the annotations' photos, but {by_name:.0%} of them fit the people of the photos "
        f"whose file names have these numbers, and {by_id:.0%} those of their ids",
        len(image),
    )


def _fit(image: np.ndarray, points: np.ndarray, dataset: Dataset) -> float:
    """The share of the results whose middle lies in a box of their photo."""
    boxes: dict[int, list[np.ndarray]] = {}
    for number, box in zip(dataset.truth.image.tolist(), dataset.truth.bbox, strict=True):
        boxes.setdefault(number, []).append(box)
    hits = 0
    for number, (x, y) in zip(image.tolist(), np.median(points, axis=1), strict=True):
        hits += any(b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3] for b in boxes.get(number, []))
    return hits / len(image)


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
