"""The entries of a COCO file as other tools write them, brought into the form that COCO describes.

Nothing here guesses at figures: a person that says nothing is left out, a number that is not there is marked as
missing, and every such thing is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..system.errors import OccbenchError, quoted
from .findings import Finding, found

Row = dict[str, Any]


@dataclass(frozen=True)
class Ids:
    """A file's entries with numbers for ids.

    Attributes:
        images: Of the photos.
        annotations: Of the persons.
        names: The number of every image id that was text.
        findings: What was numbered.
    """

    images: list[Any]
    annotations: list[Any]
    names: Mapping[str, int]
    findings: tuple[Finding, ...]


def number_ids(images: Sequence[Any], annotations: Sequence[Any], what: str) -> Ids:
    """Number photos and persons in the order of the file where their ids are text, or a person's is missing.

    Raises:
        OccbenchError: A person is of a photo that is not listed, or a photo's id occurs twice.
    """
    names: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    texts = [i["id"] for i in images if isinstance(i, dict) and _is_text(i.get("id"))]
    if texts and all(isinstance(i, dict) and isinstance(i.get("id"), (str, int)) for i in images):
        keys = [str(image["id"]) for image in images]
        numbers = {key: int(key) for key in keys if re.fullmatch(r"[0-9]{1,18}", key)}  # these keep theirs
        free = count(max(numbers.values(), default=0) + 1)
        for key in keys:
            if key in names:
                raise OccbenchError(f"{what}: image id {quoted(key)} occurs twice")
            names[key] = numbers[key] if key in numbers else next(free)
        images = [{**image, "id": names[str(image["id"])]} for image in images]
        annotations = [_of_photo(a, names, what) for a in annotations]
        findings += found("text-ids", "the id[ of {n} photo is|s of {n} photos are] text", texts, "photo")
    people = [a for a in annotations if isinstance(a, dict)]
    odd = [a.get("id") for a in people if a.get("id") is None or _is_text(a["id"])]
    if odd and len(people) == len(annotations):
        annotations = [{**a, "id": number} for number, a in enumerate(annotations, 1)]
        findings += found(
            "text-ids", "the id[ of {n} annotation is|s of {n} annotations are] text or missing", odd, "annotation"
        )
    return Ids(list(images), list(annotations), names, findings)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+(\.0*)?\s*", value) is None


def _of_photo(annotation: Any, names: Mapping[str, int], what: str) -> Any:
    if not isinstance(annotation, dict):
        return annotation
    image = str(annotation.get("image_id"))
    if image not in names:
        raise OccbenchError(
            f"{what}: annotation {quoted(annotation.get('id'))} is of image {quoted(image)}, which is not listed"
        )
    return {**annotation, "image_id": names[image]}


def fill_sizes(images: Sequence[Any], size_of: Callable[[str], tuple[int, int]]) -> tuple[list[Any], list[Finding]]:
    """Width and height of every photo; those that are missing, or 0, from the photo itself.

    Args:
        images: Of the file.
        size_of: Width and height of a photo by its file name, px; zeros where it cannot be told.

    Returns:
        The photos, with None for a size that is not known; and what was done.
    """
    filled: list[Any] = []
    read: list[object] = []
    unknown: list[object] = []
    for image in images:
        if not isinstance(image, dict) or (image.get("width") and image.get("height")):
            filled.append(image)
            continue
        name = image.get("file_name")
        width, height = size_of(name) if isinstance(name, str) and name else (0, 0)
        (read if width and height else unknown).append(name)
        filled.append({**image, "width": width or None, "height": height or None})
    findings = [
        *found("no-photo-size", "{n} photo[ has|s have] no width and height in the file", read),
        *found(
            "size-unknown", "{n} photo[ has|s have] no width and height in the file, and cannot be looked at", unknown
        ),
    ]
    return filled, findings


@dataclass(frozen=True)
class People:
    """The persons that say something.

    Attributes:
        annotations: With 3 K keypoint numbers, and a box or None.
        rows: Where they stand in the file.
        findings: Who was left out, and what was filled in.
    """

    annotations: list[Any]
    rows: list[int]
    findings: tuple[Finding, ...]


def tidy_people(annotations: Sequence[Any], rows: Sequence[int], k: int, what: str) -> People:
    """Take out the persons that are empty; flatten, and mark what is missing.

    Args:
        annotations: Persons.
        rows: Where they stand in the file.
        k: Keypoints of the skeleton.
        what: The file, for messages.

    Raises:
        OccbenchError: A keypoint is labelled, but has no position.
    """
    kept: list[Any] = []
    places: list[int] = []
    empty: list[object] = []
    bare: list[object] = []
    holes: list[object] = []
    for annotation, row in zip(annotations, rows, strict=True):
        if not isinstance(annotation, dict):
            kept.append(annotation)
            places.append(row)
            continue
        person = dict(annotation)
        points = person.get("keypoints")
        if isinstance(points, list) and len(points) == k and all(isinstance(p, list) for p in points):
            points = person["keypoints"] = [number for point in points for number in point]
        box = person.get("bbox")
        if not box or (isinstance(box, list) and all(map(_is_hole, box))):
            person["bbox"] = None
        if not points:
            if not has_area(person["bbox"]):
                empty.append(person.get("id"))
                continue
            bare.append(person.get("id"))
            person |= {"keypoints": [0.0] * (3 * k), "num_keypoints": 0}
        elif isinstance(points, list):
            filled = _positions(points, person.get("id"), what)
            if filled is not points:
                holes.append(person.get("id"))
                person["keypoints"] = filled
                if not any(filled[2::3]):
                    person["num_keypoints"] = 0
            if not has_area(person["bbox"]) and len(filled) == 3 * k and not any(filled[2::3]):
                empty.append(person.get("id"))
                continue
        kept.append(person)
        places.append(row)
    findings = (
        *found("empty-person", "{n} person[ has|s have] neither a labelled keypoint nor a box", empty, "annotation"),
        *found("box-only", "{n} person[ has|s have] a box, but no keypoints", bare, "annotation"),
        *found("no-position", "{n} person[ has|s have] keypoints that are null or NaN", holes, "annotation"),
    )
    return People(kept, places, findings)


def has_area(box: Any) -> bool:
    """Whether a value is a box of numbers with a size, or something for the reader to refuse."""
    if box is None or not isinstance(box, list) or len(box) != 4:
        return box is not None
    try:
        return float(box[2]) != 0 and float(box[3]) != 0
    except (TypeError, ValueError, OverflowError):
        return True


def _positions(points: list[Any], person: object, what: str) -> list[Any]:
    """The numbers with 0 0 0 in place of unlabelled keypoints that are null or NaN; the list itself if there are none.

    Raises:
        OccbenchError: A labelled keypoint is.
    """
    try:
        if not math.isnan(sum(points)):
            return points
    except (TypeError, OverflowError):
        pass
    filled = list(points)
    changed = False
    for at in range(0, len(points) - 2, 3):
        x, y, v = points[at : at + 3]
        if not any(_is_hole(value) for value in (x, y, v)):
            continue
        if not (v == 0 or _is_hole(v) or v == -1):
            raise OccbenchError(
                f"{what}: annotation {quoted(person)}: keypoints[{at}] is labelled (visibility {quoted(v, 20)}), but "
                "its position is null or NaN (not a finite number): give it visibility 0"
            )
        filled[at : at + 3] = [0.0, 0.0, 0]
        changed = True
    return filled if changed else points


def _is_hole(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
