"""Boxes of any detector, in COCO's format of detection results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..system.errors import OccbenchError, quoted
from .findings import Finding, counted, found
from .jsonfile import Coordinate, Score, encoding_of, first_fault, in_memory, read_json
from .naming import category_text, person_categories, with_numbers
from .persons import Dataset


class _Detection(BaseModel):
    image_id: int
    category_id: str = "1"
    bbox: Annotated[list[Coordinate], Field(min_length=4)]
    score: Score


@dataclass(frozen=True, eq=False)
class Boxes:
    """The persons of a detections file.

    Attributes:
        places: Shape (N,), int64: where each stands among the persons of the file (MMPose breaks ties by it).
        image: Shape (N,), int64: image ids of the annotations.
        boxes: Shape (N, 4), float64: x y width height, image px.
        scores: Shape (N,), float64.
        findings: What was found out about the file.
    """

    places: np.ndarray
    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    findings: tuple[Finding, ...]


def read_detections(path: Path, dataset: Dataset) -> Boxes:
    """Read a COCO detection-results file.

    The persons are the boxes of the categories that are persons in the annotations or, where there is none, those of
    category 1; others are left out, as MMPose does. Photos are named as in :func:`~.naming.with_numbers`. Boxes that
    no crop can be cut from are left out and counted.

    Args:
        path: ``[{"image_id", "category_id", "bbox": [x, y, width, height], "score"}, ...]``.
        dataset: The annotations that they are of.

    Raises:
        OccbenchError: The file is missing, is no detection-results list, names photos that are not there, or has no
            box of a person.
    """
    what = f"detections file {str(path)!r}"
    raw = read_json(path, "detections file")
    if not isinstance(raw, list):
        raise OccbenchError(f"{what} is no COCO detection-results file: it must be a list of boxes")
    encoding = encoding_of(path)
    text = "{file} is {encoding}, not plain UTF-8"
    findings = found("encoding", text, int(bool(encoding)), file=what, encoding=encoding)
    with in_memory(what, len(raw), "boxes"):
        tidy = [_tidy(entry) for entry in raw]
        chosen, left = _persons(tidy, dataset, what)
        numbered, named = with_numbers(chosen, dataset, what, "box")
        try:
            parsed = TypeAdapter(list[_Detection]).validate_python(numbered)
        except ValidationError as error:
            places = [n for n, entry in enumerate(tidy) if any(entry is one for one in chosen)]
            raise first_fault(error, what, places) from error
    unknown = [d.image_id for d in parsed if d.image_id not in dataset.photos]
    if unknown:
        raise OccbenchError(
            f"{what}: {len(unknown)} of {len(parsed)} boxes are of images that the annotations do not have "
            f"(the first is {quoted(unknown[0])}); give the detections of this data set"
        )
    faults = {n: wrong for n, d in enumerate(parsed) if (wrong := _fault(d, dataset))}
    if len(faults) == len(parsed):
        n, wrong = next(iter(faults.items()))
        raise OccbenchError(f"{what}: person box {n} (image {parsed[n].image_id}) {wrong}; so are all others")
    places = [n for n in range(len(parsed)) if n not in faults]
    findings += (*left, *named)
    findings += found(
        "detections-useless",
        "{n} of {of} of {file} cannot be cropped[: it|; the first] {wrong}",
        len(faults),
        of=counted(len(parsed), "person"),
        file=what,
        wrong=next(iter(faults.values()), ""),
    )
    return Boxes(
        places=np.array(places, dtype=np.int64),
        image=np.array([parsed[n].image_id for n in places], dtype=np.int64),
        boxes=np.array([parsed[n].bbox[:4] for n in places], dtype=np.float64).reshape(-1, 4),
        scores=np.array([parsed[n].score for n in places], dtype=np.float64),
        findings=findings,
    )


def _tidy(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {**entry, "category_id": category_text(entry)}


def _persons(entries: list[Any], dataset: Dataset, what: str) -> tuple[list[Any], tuple[Finding, ...]]:
    """The persons among the boxes, with whatever is no box, for the reader to refuse; and what is left out.

    Raises:
        OccbenchError: There is no person.
    """
    of = Counter(entry["category_id"] for entry in entries if isinstance(entry, dict))
    persons = person_categories(of, dataset)
    if not persons & of.keys() and (of or not entries):
        wanted = " or ".join(sorted(dataset.categories | {"1"}))
        has = f", but of {', '.join(list(of)[:3])[:100]}" if of else ""
        raise OccbenchError(f"{what} has no box of category {wanted} (person){has}")
    others = {category: n for category, n in of.items() if category not in persons}
    left = found(
        "detections-category",
        "{n} box[ is|es are] of other categories than the persons: {others}",
        sum(others.values()),
        others=", ".join(others)[:100],
    )
    return [e for e in entries if not isinstance(e, dict) or e["category_id"] in persons], left


def _fault(detection: _Detection, dataset: Dataset) -> str:
    """Why no crop can be cut from a box; empty where one can."""
    photo, (x, y, width, height) = dataset.photos[detection.image_id], detection.bbox[:4]
    if width <= 0 or height <= 0:
        return f"has no area: {detection.bbox[:4]}"
    if (photo.width and x >= photo.width) or (photo.height and y >= photo.height) or x + width <= 0 or y + height <= 0:
        size = f"({photo.width}x{photo.height})"
        return f"lies outside {quoted(photo.file_name)} {size}: {detection.bbox[:4]}"
    return ""
