"""COCO keypoint annotations: read, checked, and turned into persons exactly as MMPose's CocoDataset does."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from ..attacks import COCO, Skeleton
from ..evaluation.types import GroundTruth
from ..system.errors import OccbenchError, quoted
from .persons import Dataset, Person, Photo

SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
EDGES = tuple(
    (COCO.keypoints[a], COCO.keypoints[b])
    for a, b in (
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
        *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    )
)
"""The skeleton's lines, for drawing."""

_NEAR = 1.5
"""How far, px, a labelled keypoint may lie outside its photo (annotators click on the border)."""

_FAR = 1e6
"""No photo's pixel lies further out; in float32 it stays finite and exact to a tenth."""

MAX_JSON = 2**30
"""Bytes of a JSON file that is read: four times COCO's largest. In memory it may take 20 times as much."""

Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Coordinate = Annotated[float, Field(ge=-_FAR, le=_FAR, allow_inf_nan=False)]
Box = Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
Side = Annotated[int, Field(gt=0, le=int(_FAR))]
Score = Annotated[float, Field(ge=-_FAR, le=_FAR, allow_inf_nan=False)]


class _Image(BaseModel):
    id: Id
    file_name: str = Field(min_length=1)
    width: Side
    height: Side


class _Annotation(BaseModel):
    id: Id
    image_id: Id
    category_id: int = 1
    bbox: Box
    keypoints: list[Coordinate]
    num_keypoints: int | None = Field(default=None, ge=0, le=10_000)
    area: FiniteFloat | None = Field(default=None, ge=0)
    iscrowd: int = Field(default=0, ge=0, le=1)


class _Annotations(BaseModel):
    images: list[_Image] = Field(min_length=1)
    annotations: list[_Annotation]


class _Detection(BaseModel):
    image_id: int
    category_id: int = 1
    bbox: Annotated[list[Coordinate], Field(min_length=4)]
    score: Score


def first_fault(error: ValidationError, what: str) -> OccbenchError:
    """One line from pydantic's report: where in the file, what is wrong, and how many more faults there are."""
    faults = error.errors(include_url=False, include_input=False)
    where = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in faults[0]["loc"]).lstrip(".")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    wrong = re.sub(r" or instance of _\w+", "", faults[0]["msg"])  # a class of ours
    return OccbenchError(f"{what}: {where or 'file'}: {wrong}{more}")


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        OccbenchError: It is missing, unreadable, no JSON, or has more than :data:`MAX_JSON` bytes.
    """
    name = f"{what} {quoted(str(path), 300)}"
    try:
        return json.loads(_bounded(path, name).decode("utf-8"))
    except FileNotFoundError:
        raise OccbenchError(f"{name} does not exist") from None
    except OSError as error:
        raise OccbenchError(f"{name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OccbenchError(f"{name} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise OccbenchError(f"{name} is not valid JSON: {error}") from error
    except MemoryError as error:
        raise OccbenchError(f"{name} does not fit into memory") from error


def _bounded(path: Path, name: str) -> bytes:
    """The bytes of a file, or of a pipe, if there are not too many of them."""
    size = path.stat().st_size
    if size <= MAX_JSON:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)  # of a pipe the size is not known beforehand
        if len(data) <= MAX_JSON:
            return data
    raise OccbenchError(f"{name} has {max(size, MAX_JSON + 1):,} bytes or more, but at most {MAX_JSON:,} are read")


@contextlib.contextmanager
def in_memory(what: str, number: int, things: str) -> Iterator[None]:
    """Say how many things there are where they do not fit into memory: nothing else bounds their number."""
    try:
        yield
    except MemoryError as error:
        raise OccbenchError(f"{what}: its {number:,} {things} do not fit into memory") from error


def read_coco(
    annotations: Path,
    images: Path,
    name: str | None = None,
    skeleton: Skeleton = COCO,
    *,
    listed: Sequence[str] | None = None,
    as_is: bool = False,
    area_of_box: bool = False,
) -> Dataset:
    """Read COCO person keypoints, or those of another data set in COCO's format; the boxes are the annotated ones.

    Persons come in MMPose's order and with its rules: crowds, persons without labelled keypoints and degenerate boxes
    get no crop, and boxes are clipped to the photo. The truth keeps every annotation, as COCO's evaluation needs it.

    Args:
        annotations: ``person_keypoints_*.json``.
        images: Folder that ``file_name`` is relative to.
        name: For tables; the file's stem by default.
        skeleton: The data set's keypoints, with their sigmas.
        listed: How the file's category spells the keypoints, where that is not as in ``skeleton``.
        as_is: Do as MMPose does where a published file contradicts itself: a person whose box has no area gets no
            crop, and a labelled keypoint may lie outside of the photo. Otherwise both are errors.
        area_of_box: Take 0.53 of the box for the area, whatever is annotated (CrowdPose).

    Raises:
        OccbenchError: The file is missing, is no COCO keypoint file, or contradicts itself.
    """
    what = f"annotation file {str(annotations)!r}"
    raw = read_json(annotations, "annotation file")
    if not isinstance(raw, dict) or not {"images", "annotations"} <= raw.keys():
        raise OccbenchError(f"{what} is no COCO file: it needs the lists 'images' and 'annotations'")
    _refuse_other_kinds(raw, what, skeleton, list(listed or skeleton.keypoints))
    with in_memory(what, len(raw["annotations"]), "annotations"):
        try:
            parsed = _Annotations.model_validate(raw)
        except ValidationError as error:
            raise first_fault(error, what) from error
        photos = _photos(parsed.images, images, what)
        records = [a for a in parsed.annotations if a.category_id == 1]
        truth = _truth(records, photos, what, skeleton, area_of_box)
        persons = _annotated_persons(records, truth, photos, what, skeleton, as_is)
    return Dataset(
        name=name or annotations.stem,
        skeleton=skeleton,
        sigmas=np.array(skeleton.sigmas),
        photos=photos,
        persons=persons,
        truth=truth,
        annotations=annotations,
        images=images,
    )


def _whose(skeleton: Skeleton) -> str:
    return "COCO" if skeleton is COCO else repr(skeleton.name)


def _refuse_other_kinds(raw: dict[str, Any], what: str, skeleton: Skeleton, listed: list[str]) -> None:
    """Name the usual mix-ups before pydantic lists their symptoms."""
    if not isinstance(raw["annotations"], list):
        raise OccbenchError(f"{what}: 'annotations' must be a list")
    bare = [a for a in raw["annotations"] if isinstance(a, dict) and "keypoints" not in a]
    if bare:
        raise OccbenchError(
            f"{what}: annotation {quoted(bare[0].get('id'))} has no keypoints; use COCO's person_keypoints_*.json, "
            "not instances_*.json"
        )
    categories = raw.get("categories")
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if names and names not in (listed, list(skeleton.keypoints)):
            has = f"{len(names)}: {quoted(names[:3])[1:-1]}, ..." if isinstance(names, list) else "no list"
            raise OccbenchError(f"{what}: its keypoints are not {_whose(skeleton)}'s {len(listed)} (it has {has})")


def _photos(images: list[_Image], folder: Path, what: str) -> dict[int, Photo]:
    photos: dict[int, Photo] = {}
    for image in images:
        parts = PurePosixPath(image.file_name.replace("\\", "/"))
        if "\0" in image.file_name:
            raise OccbenchError(f"{what}: file name {quoted(image.file_name)} holds a null character")
        if parts.is_absolute() or ".." in parts.parts:
            raise OccbenchError(f"{what}: file name {quoted(image.file_name)} leaves the image folder")
        if image.id in photos:
            raise OccbenchError(f"{what}: image id {image.id} occurs twice")
        photos[image.id] = Photo(image.id, image.file_name, folder / image.file_name, image.width, image.height)
    return photos


def _truth(
    records: list[_Annotation], photos: dict[int, Photo], what: str, skeleton: Skeleton, area_of_box: bool
) -> GroundTruth:
    """Every person annotation as arrays, checked."""
    k = len(skeleton.keypoints)
    seen: set[int] = set()
    for record in records:
        if record.image_id not in photos:
            raise OccbenchError(f"{what}: annotation {record.id} is of image {record.image_id}, which is not listed")
        if record.id in seen:
            raise OccbenchError(f"{what}: annotation id {record.id} occurs twice")
        if len(record.keypoints) != 3 * k:
            raise OccbenchError(
                f"{what}: annotation {record.id} has {len(record.keypoints)} keypoint numbers, "
                f"but {_whose(skeleton)} has 3 x {k}"
            )
        if (record.num_keypoints or 0) > k:
            raise OccbenchError(f"{what}: annotation {record.id} counts {record.num_keypoints} of {k} keypoints")
        seen.add(record.id)
    keypoints = np.array([r.keypoints for r in records], dtype=np.float64).reshape(-1, k, 3)
    bbox = np.array([r.bbox for r in records], dtype=np.float64).reshape(-1, 4)
    bad = ~np.isin(keypoints[..., 2], (0, 1, 2))
    if bad.any():
        g = int(np.argwhere(bad)[0, 0])
        raise OccbenchError(f"{what}: annotation {records[g].id} has a visibility other than 0, 1 or 2")
    visibility = keypoints[..., 2].astype(np.int64)
    labelled = (visibility > 0).sum(1)
    return GroundTruth(
        image_ids=np.unique(np.array(list(photos), dtype=np.int64)),
        image=np.array([r.image_id for r in records], dtype=np.int64),
        keypoints=keypoints[..., :2],
        visibility=visibility,
        bbox=bbox,
        area=np.array(
            # Where the area is missing, MMPose's estimate from the box.
            [r.bbox[3] * r.bbox[2] * 0.53 if r.area is None or area_of_box else r.area for r in records],
            dtype=np.float64,
        ),
        num_keypoints=np.array(
            [r.num_keypoints if r.num_keypoints is not None else n for r, n in zip(records, labelled, strict=True)],
            dtype=np.int64,
        ),
        crowd=np.array([bool(r.iscrowd) for r in records], dtype=bool),
        ids=np.array([r.id for r in records], dtype=np.int64),
    )


def _annotated_persons(
    records: list[_Annotation],
    truth: GroundTruth,
    photos: dict[int, Photo],
    what: str,
    skeleton: Skeleton,
    as_is: bool,
) -> tuple[Person, ...]:
    by_photo: dict[int, list[Person]] = {i: [] for i in photos}
    for g, record in enumerate(records):
        if truth.crowd[g] or truth.num_keypoints[g] == 0:
            continue
        photo = photos[record.image_id]
        x, y, width, height = record.bbox
        limit = (photo.width - 1, photo.height - 1)
        box = np.array([*np.clip((x, y), 0, limit), *np.clip((x + width, y + height), 0, limit)], dtype=np.float32)
        if not (box[2:] > box[:2]).all():
            if as_is:
                continue
            raise OccbenchError(
                f"{what}: the box of annotation {record.id} has no area inside {quoted(photo.file_name)} "
                f"({photo.width}x{photo.height}): {record.bbox}"
            )
        points, labelled = truth.keypoints[g], truth.visibility[g] > 0
        outside = labelled & ((points < -_NEAR) | (points > (photo.width + _NEAR, photo.height + _NEAR))).any(1)
        if outside.any() and not as_is:
            name = skeleton.keypoints[int(np.flatnonzero(outside)[0])]
            raise OccbenchError(
                f"{what}: {name} of annotation {record.id} lies outside {quoted(photo.file_name)} "
                f"({photo.width}x{photo.height}); a keypoint out of the photo must have visibility 0"
            )
        if not labelled.any() or points.max() <= 0:
            continue
        by_photo[photo.id].append(
            Person(record.id, record.id, photo, box, 1.0, points.astype(np.float32), truth.visibility[g])
        )
    persons = tuple(person for group in by_photo.values() for person in group)
    if not persons:
        raise OccbenchError(f"{what} has no person with labelled keypoints: there is nothing to measure")
    return persons


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
