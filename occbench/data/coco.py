"""COCO keypoint annotations: read, checked, and turned into persons exactly as MMPose's CocoDataset does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from ..attacks import COCO, Skeleton
from ..evaluation.types import GroundTruth
from ..system.errors import OccbenchError, quoted
from .categories import choose_persons, whose
from .findings import Finding, found, refuse_errors
from .health import Annotated, look
from .jsonfile import Box, Coordinate, Id, Side, encoding_of, first_fault, in_memory, read_json
from .mending import mend
from .persons import Dataset, Person, Photo
from .photos import decoded_size
from .recognise import other_format
from .spelling import Folder, file_name
from .tidy import fill_sizes, number_ids, tidy_people

SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
EDGES = tuple(
    (COCO.keypoints[a], COCO.keypoints[b])
    for a, b in (
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
        *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    )
)
"""The skeleton's lines, for drawing."""


class _Image(BaseModel):
    id: Id
    file_name: str = Field(min_length=1)
    width: Side | None
    height: Side | None


class _Annotation(BaseModel):
    id: Id
    image_id: Id
    bbox: Box | None
    keypoints: list[Coordinate]
    num_keypoints: int | None = Field(default=None, ge=0, le=10_000)
    area: FiniteFloat | None = Field(default=None, ge=0)
    iscrowd: int | None = Field(default=0, ge=0, le=1)


class _Images(BaseModel):
    images: list[_Image] = Field(min_length=1)


SYNTHETIC = "synthetic people"
"""Begins the description of a file of drawn people."""


class _Annotations(BaseModel):
    annotations: list[_Annotation]


def read_coco(
    annotations: Path,
    images: Path,
    name: str | None = None,
    skeleton: Skeleton = COCO,
    *,
    listed: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    as_is: bool = False,
    area_of_box: bool = False,
) -> Dataset:
    """Read COCO person keypoints, or those of another data set in COCO's format; the boxes are the annotated ones.

    Persons come in MMPose's order and with its rules: crowds, persons without labelled keypoints and degenerate boxes
    get no crop, and boxes are clipped to the photo. The truth keeps every annotation, as COCO's evaluation needs it.

    What other tools leave out or write otherwise is filled in or left out and counted: :attr:`Dataset.findings` says
    what. Photos are opened only where the file lacks their sizes.

    Args:
        annotations: ``person_keypoints_*.json``.
        images: Folder that ``file_name`` is relative to.
        name: For tables; the file's stem by default.
        skeleton: The data set's keypoints, with their sigmas.
        listed: How the file's category spells the keypoints, where that is not as in ``skeleton``.
        categories: Ids or names of the categories that are the persons; all that have the keypoints by default.
        as_is: Do as MMPose does where a published file contradicts itself: a person whose box has no area gets no
            crop, a labelled keypoint may lie outside of the photo, and an area may be 0. Otherwise these are mended.
        area_of_box: Take 0.53 of the box for the area, whatever is annotated (CrowdPose).

    Raises:
        OccbenchError: The file is missing, is no COCO keypoint file, or contradicts itself.
    """
    what = f"annotation file {str(annotations)!r}"
    raw = read_json(annotations, "annotation file")
    if not isinstance(raw, dict) or not {"images", "annotations"} <= raw.keys():
        raise OccbenchError(f"{what} is no COCO file: {other_format(raw)}it needs the lists 'images' and 'annotations'")
    for part in ("images", "annotations"):
        if not isinstance(raw[part], list):
            raise OccbenchError(f"{what}: {part!r} must be a list")
    with in_memory(what, len(raw["annotations"]), "annotations"):
        spelled = list(listed or skeleton.keypoints)
        who = choose_persons(raw.get("categories"), raw["annotations"], skeleton, spelled, what, categories)
        ids = number_ids(raw["images"], raw["annotations"], what)
        sized, unsized = fill_sizes(ids.images, _size_in(images))
        people = tidy_people([ids.annotations[g] for g in who.rows], who.rows, len(spelled), what)
        try:
            photos = _photos(_Images.model_validate({"images": sized}).images, images, what)
        except ValidationError as error:
            raise first_fault(error, what) from error
        try:
            records = _Annotations.model_validate({"annotations": people.annotations}).annotations
        except ValidationError as error:
            raise first_fault(error, what, people.rows) from error
        _check(records, photos, what, skeleton)
        before = _annotated(records, photos, len(spelled), what)
        findings = [*_written(annotations, photos), *who.findings, *ids.findings, *unsized, *people.findings]
        if not as_is:
            findings += _look(before, records, skeleton, what)
        said = [(r.num_keypoints, None if area_of_box else r.area, bool(r.iscrowd)) for r in records]
        truth, crops, mended = mend(before, said, list(photos), as_is, note_areas=not area_of_box)
        persons = _persons(truth, crops, photos)
    if not persons:
        raise OccbenchError(f"{what} {_nobody(truth)}")
    return Dataset(
        name=name or annotations.stem,
        skeleton=skeleton,
        sigmas=np.array(skeleton.sigmas),
        photos=photos,
        persons=persons,
        truth=truth,
        annotations=annotations,
        images=images,
        findings=(*findings, *mended),
        categories=who.categories,
        image_names=ids.names,
        synthetic=_drawn(raw.get("info")),
    )


def _drawn(info: object) -> bool:
    """Whether the people are those of `occbench sample`, which says so in the file."""
    return isinstance(info, dict) and str(info.get("description", "")).startswith(SYNTHETIC)


def _size_in(folder: Path) -> Any:
    """Finds a photo's size by its name; the folder is listed only where that is needed."""

    @cache
    def spelled() -> Folder:
        return Folder(folder)

    def size(name: str) -> tuple[int, int]:
        path = spelled().find(name)
        return (0, 0) if path is None else decoded_size(path)

    return size


def _photos(images: list[_Image], folder: Path, what: str) -> dict[int, Photo]:
    photos: dict[int, Photo] = {}
    for image in images:
        name = file_name(image.file_name)
        parts = PurePosixPath(name)
        if parts.is_absolute():  # of the machine it was annotated on: looked for below the image folder
            parts = parts.relative_to(parts.anchor)
        if "\0" in name:
            raise OccbenchError(f"{what}: file name {quoted(image.file_name)} holds a null character")
        if ".." in parts.parts:
            raise OccbenchError(f"{what}: file name {quoted(image.file_name)} leaves the image folder")
        if image.id in photos:
            raise OccbenchError(f"{what}: image id {image.id} occurs twice")
        photos[image.id] = Photo(image.id, image.file_name, folder / parts, image.width or 0, image.height or 0)
    return photos


def _written(annotations: Path, photos: dict[int, Photo]) -> list[Finding]:
    """How the file is written, where that is not as everybody writes it."""
    encoding = encoding_of(annotations)
    turned = [photo.file_name for photo in photos.values() if "\\" in photo.file_name]
    of_name = Counter(photo.path for photo in photos.values())
    twice = [photo.file_name for photo in photos.values() if of_name[photo.path] > 1]
    return [
        *found("encoding", "the file is {encoding}, not plain UTF-8", int(bool(encoding)), encoding=encoding),
        *found("backslashes", "the name[ of {n} photo has|s of {n} photos have] backslashes", turned),
        *found("photos-twice", "{n} photo[ is|s are] listed under several ids", twice),
    ]


def _check(records: list[_Annotation], photos: dict[int, Photo], what: str, skeleton: Skeleton) -> None:
    """Refuse persons that contradict the rest of the file."""
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
                f"but {whose(skeleton)} has 3 x {k}"
            )
        if (record.num_keypoints or 0) > k:
            raise OccbenchError(f"{what}: annotation {record.id} counts {record.num_keypoints} of {k} keypoints")
        seen.add(record.id)


def _annotated(records: list[_Annotation], photos: dict[int, Photo], k: int, what: str) -> Annotated:
    """The persons as arrays, with nothing mended but visibilities of other conventions."""
    keypoints = np.array([r.keypoints for r in records], dtype=np.float64).reshape(-1, k, 3)
    bad = ~np.isin(keypoints[..., 2], (-1, 0, 1, 2, 3))
    if bad.any():
        g = int(np.argwhere(bad)[0, 0])
        scores = ", but shares: are these scores?" if ((keypoints[g, :, 2] % 1) > 0).any() else ""
        raise OccbenchError(f"{what}: annotation {records[g].id} has a visibility other than 0, 1 or 2{scores}")
    missing = [np.nan] * 4
    return Annotated(
        ids=np.array([r.id for r in records], dtype=np.int64),
        image=np.array([r.image_id for r in records], dtype=np.int64),
        points=keypoints[..., :2],
        visibility=keypoints[..., 2].astype(np.int64),
        boxes=np.array([r.bbox or missing for r in records], dtype=np.float64).reshape(-1, 4),
        sizes=np.array([(photos[r.image_id].width, photos[r.image_id].height) for r in records]).reshape(-1, 2),
    )


def _look(people: Annotated, records: list[_Annotation], skeleton: Skeleton, what: str) -> list[Finding]:
    """What looks wrong with the persons that are measured.

    Raises:
        OccbenchError: It is so wrong that no figure can be had.
    """
    alone = np.array([not r.iscrowd for r in records], dtype=bool)
    findings = look(
        replace(people, visibility=np.where(people.visibility == 3, 0, people.visibility)).only(alone), skeleton
    )
    refuse_errors(findings, what)
    return list(findings)


def _persons(truth: GroundTruth, crops: np.ndarray, photos: dict[int, Photo]) -> tuple[Person, ...]:
    """Who gets a crop, photo by photo in the order of the file."""
    by_photo: dict[int, list[Person]] = {i: [] for i in photos}
    for g in np.flatnonzero(np.isfinite(crops).all(1)).tolist():
        points, number = truth.keypoints[g].astype(np.float32), int(truth.ids[g])
        photo = photos[int(truth.image[g])]
        by_photo[photo.id].append(
            Person(number, number, photo, crops[g].astype(np.float32), 1.0, points, truth.visibility[g])
        )
    return tuple(person for group in by_photo.values() for person in group)


def _nobody(truth: GroundTruth) -> str:
    """Why nobody is left to measure."""
    labelled = int(((truth.visibility > 0).any(1) & ~truth.crowd & (truth.num_keypoints == 0)).sum())
    if labelled:
        return (
            f"has nobody to measure: num_keypoints is 0 for all {labelled:,} persons, though they have labelled "
            "keypoints: set it to their number, or leave it out"
        )
    return "has no person with labelled keypoints: there is nothing to measure"
