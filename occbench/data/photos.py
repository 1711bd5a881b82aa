"""Photos: found before the work starts, read while it goes on."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..system.errors import OccbenchError, quoted
from .findings import Finding, counted, found
from .health import Annotated, lying_share
from .persons import Dataset, Photo
from .spelling import Folder

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 2**28 // 3
"""Pixels of a photo that is decoded: 256 MiB of them, Pillow's own bound. (Pillow by itself warns from there on and
refuses twice as many; OpenCV, and so MMPose, refuses 2**30 pixels, 3 GiB, and does not say so.)"""
MAX_BYTES = 2**30
"""Bytes of a photo's file; the largest TIFF of so many pixels has less."""
_FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What OpenCV decodes. Pillow knows more, and would have Ghostscript run a PostScript file."""
_END = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
"""Markers that a whole file ends with, where nothing follows (as the film of a motion photo does)."""
_TAIL = 1 << 12
"""Bytes at a file's end within which its end marker must lie."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how a photo is turned, and its values that swap width and height."""
_QUARTER_TURNS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Look:
    """What a photo's file looks like.

    Attributes:
        kind: Of the fault, as in ``findings.KINDS``; empty for none.
        wrong: The fault in words.
        orientation: Of its EXIF, as far as OpenCV heeds it; 1 for as stored.
        tail: Whether something follows where a JPEG or PNG ends, as the film of a motion photo does.
    """

    kind: str = ""
    wrong: str = ""
    orientation: int = 1
    tail: bool = False


def fault(photo: Photo) -> str | None:
    """What is wrong with a photo's file, or None: missing, no picture, cut off, too large, or not as annotated."""
    return look_at(photo).wrong or None


def look_at(photo: Photo) -> Look:
    """Look at a photo's file.

    A JPEG or PNG with its end marker at its end is read but not decoded: cut off, it lacks the marker, which decoders
    do not complain about. Others are decoded: formats without such a marker, and files with something behind it. Links
    are followed wherever they lead: neither annotations nor archives can make one, so they are the user's own.
    """
    data = _bytes_of(photo.path)
    if isinstance(data, Look):
        return data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd metadata and large pictures
        return _content(photo, data)


def _bytes_of(path: Path) -> bytes | Look:
    """A file's content, or why there is none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "Is a directory" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            return Look("photo-unreadable", f"cannot be read ({what})")
        if status.st_size > MAX_BYTES:
            return Look("photo-unreadable", f"has {status.st_size:,} bytes, more than the {MAX_BYTES:,} that are read")
        data = path.read_bytes()
    except FileNotFoundError:
        return Look("photo-missing", "is missing")
    except OSError as error:
        return Look("photo-unreadable", f"cannot be read ({error.strerror})")
    return data or Look("photo-unreadable", "is empty")


def _content(photo: Photo, data: bytes) -> Look:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            stored = picture.size
            if stored[0] * stored[1] > MAX_PIXELS:
                return Look("photo-unreadable", _too_many_pixels(stored[0] * stored[1]))
            wrong = _decoding_fault(picture, data)
            if wrong:
                return Look("photo-unreadable", wrong)
            turn = _orientation(picture, data)
            tail = picture.format in _END and not _ends(picture, data)
    except Image.DecompressionBombError as error:
        number = re.search(r"\d+", str(error))
        return Look("photo-unreadable", _too_many_pixels(int(number[0]) if number else None))
    except Exception:  # Pillow gives up on damaged files in many ways
        return Look("photo-unreadable", _what_else(data))
    size = stored[::-1] if turn in _QUARTER_TURNS else stored
    annotated = (photo.width, photo.height)
    if size == annotated or not all(annotated):
        return Look(orientation=turn, tail=tail)
    if stored == annotated:
        return Look("photo-turned", f"is {size[0]}x{size[1]} as its EXIF orientation {turn} turns it, {_TURNED}", turn)
    return Look("photo-size", f"is {size[0]}x{size[1]}, but annotated as {annotated[0]}x{annotated[1]}", turn)


_TURNED = (
    "but annotated unturned: take that tag out of the photos (`exiftool -Orientation= FOLDER`), or annotate them turned"
)


def _orientation(picture: Image.Image, data: bytes) -> int:
    """How OpenCV turns a picture: by EXIF in a JPEG; in other formats its versions differ, and it is asked."""
    turn = int(picture.getexif().get(_ORIENTATION, 1) or 1)
    if turn not in range(2, 9) or picture.format in ("JPEG", "MPO"):
        return turn if turn in range(2, 9) else 1
    decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    as_stored = decoded is not None and decoded.shape[1::-1] == picture.size
    return 1 if as_stored and picture.width != picture.height else turn


def decoded_size(path: Path) -> tuple[int, int]:
    """Width and height, px, of a picture as it is decoded; zeros where it is none (the check of photos says why)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd metadata
        try:
            return _decoded_size(path)
        except Exception:  # Pillow gives up on damaged files in many ways
            return 0, 0


def _decoded_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as picture:
        turned = int(picture.getexif().get(_ORIENTATION, 1) or 1) in _QUARTER_TURNS
        if turned and picture.format not in ("JPEG", "MPO"):
            turned = _orientation(picture, path.read_bytes()) in _QUARTER_TURNS
        width, height = picture.size
        return (height, width) if turned else (width, height)


def _too_many_pixels(count: int | None) -> str:
    return f"has {'too many' if count is None else f'{count:,}'} pixels, more than the {MAX_PIXELS:,} that are decoded"


def _ends(picture: Image.Image, data: bytes) -> bool:
    marker = _END.get(str(picture.format))
    return marker is not None and marker in data[-_TAIL:]


def _decoding_fault(picture: Image.Image, data: bytes) -> str:
    """Why a picture is not decoded whole; empty where it is."""
    if _ends(picture, data):
        return ""
    try:
        picture.load()
    except OSError:
        return "is truncated"
    decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    return "" if decoded is not None else f"is a {picture.format} of a kind that OpenCV does not decode: convert it"


def _what_else(data: bytes) -> str:
    """What a file is that is no picture of a format that is read."""
    start = data[:100]
    if start.startswith(b"GIF8"):
        return "is a GIF, which is not read: convert it to PNG or JPEG"
    if start[4:8] == b"ftyp":
        return "is HEIC, AVIF or a film, which are not read: convert it to PNG or JPEG"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS in place of the photo: `git lfs pull` brings it"
    return "is not an image"


def check_photos(dataset: Dataset, skip_unreadable: bool = False, every: bool = False) -> Dataset:
    """Check every photo that has a person, before anything is computed.

    Args:
        dataset: The data set.
        skip_unreadable: Leave bad photos out, with their persons, in place of stopping.
        every: Check those without a person, too: a detector looks at them.

    Returns:
        The data set, without the photos that are skipped, and with those of another spelling found.

    Raises:
        OccbenchError: A photo is bad; the message names it and says how many more there are.
    """
    dataset, faults, looked = survey(dataset, every)
    if not faults:
        return dataset
    if not skip_unreadable:
        if not os.path.isdir(dataset.images):
            raise OccbenchError(f"image folder {quoted(str(dataset.images), 300)} does not exist: give --images")
        photo, look = faults[0]
        more = f"; so are {len(faults) - 1} more of {looked} photos" if len(faults) > 1 else ""
        hint = "check --images" if len(faults) == looked > 1 else "mend it, or leave it out by --skip-unreadable"
        hint = "" if look.kind == "photo-turned" and len(faults) == looked else f": {hint}"
        raise OccbenchError(f"photo {quoted(str(photo.path), 300)} {look.wrong}{more}{hint}")
    left = dataset.without({photo.id for photo, _ in faults}, tuple(photo.file_name for photo, _ in faults))
    if not left.persons:
        raise OccbenchError("no photo with a person is readable: check --images")
    out = found("photos-left-out", "{n} photo[|s] cannot be used", [photo.file_name for photo, _ in faults])
    return replace(left, findings=(*left.findings, *out))


Faults = list[tuple[Photo, Look]]


def survey(dataset: Dataset, every: bool = False) -> tuple[Dataset, Faults, int]:
    """Look at every photo that has a person, or at all.

    Returns:
        The data set with the photos that are spelled otherwise on the disk; the bad photos; how many were looked at.
    """
    used = list(dataset.photos.values() if every else {p.photo.id: p.photo for p in dataset.persons}.values())
    looks = {photo.id: look_at(photo) for photo in used}
    elsewhere = _elsewhere(dataset, [photo for photo in used if looks[photo.id].kind == "photo-missing"])
    if elsewhere:
        dataset = dataset.at(elsewhere)
        looks |= {number: look_at(dataset.photos[number]) for number in elsewhere}
        names = [dataset.photos[number].file_name for number in elsewhere]
        spelled = found("photo-name", "{n} photo[ has another name|s have other names] on the disk", names)
        dataset = replace(dataset, findings=(*dataset.findings, *spelled))
    tails = [photo.file_name for photo in used if looks[photo.id].tail]
    behind = found(
        "photo-tail",
        "{n} photo[ has something behind its end|s have something behind their end], as motion photos do",
        tails,
    )
    if behind:
        dataset = replace(dataset, findings=(*dataset.findings, *behind))
    turned = {number: look.orientation for number, look in looks.items() if look.orientation != 1 and not look.kind}
    if turned and (_on_their_sides(dataset, turned) or _fit_unturned(dataset, turned)):
        looks |= {i: Look("photo-turned", f"is turned by its EXIF orientation {turned[i]}, {_TURNED}") for i in turned}
    elif turned:
        unseen = [dataset.photos[i].file_name for i in turned if turned[i] not in _QUARTER_TURNS]
        text = "{n} photo[ is|s are] turned or mirrored by EXIF, which the size does not show"
        dataset = replace(dataset, findings=(*dataset.findings, *found("photo-turn-unseen", text, unseen)))
    faults = [(dataset.photos[number], look) for number, look in looks.items() if look.kind]
    return dataset, faults, len(used)


def _elsewhere(dataset: Dataset, missing: list[Photo]) -> dict[int, Path]:
    """Where photos lie that are not at their paths: one file for each, and none that is another's."""
    folder, taken = Folder(dataset.images), {photo.path for photo in dataset.photos.values()} if missing else set()
    by_path = defaultdict(list)
    for photo in missing:
        path = folder.find(photo.file_name)
        if path is not None and path not in taken:
            by_path[path].append(photo.id)
    return {numbers[0]: path for path, numbers in by_path.items() if len(numbers) == 1}


def _fit_unturned(dataset: Dataset, turned: Mapping[int, int]) -> bool:
    """Whether people leave quarter-turned photos, but would not if the photos were as stored."""
    odd = known = 0
    for number in (i for i, turn in turned.items() if turn in _QUARTER_TURNS):
        rows = (dataset.truth.image == number) & (dataset.truth.num_keypoints >= 0) & ~dataset.truth.crowd
        if not rows.any():
            continue
        size = np.array([dataset.photos[number].width, dataset.photos[number].height])
        boxes = dataset.truth.bbox[rows]
        far = np.maximum((boxes[:, :2] + boxes[:, 2:]).max(0), dataset.truth.keypoints[rows].max((0, 1)))
        known += 1
        odd += bool((far > size + _SLACK).any() and (far <= size[::-1] + _SLACK).all())
    return odd > 0.3 * known


def _on_their_sides(dataset: Dataset, photos: Iterable[int]) -> bool:
    """Whether most of the people in some photos lie or stand on their heads, as annotated."""
    rows = np.isin(dataset.truth.image, list(photos)) & (dataset.truth.num_keypoints > 0)
    truth = dataset.truth
    none = np.zeros((len(truth), 2))
    people = Annotated(truth.ids, truth.image, truth.keypoints, truth.visibility, truth.bbox, none).only(rows)
    lying = lying_share(people, dataset.skeleton)
    return lying is not None and lying[1] >= _FEW and lying[0] > 0.8


_SLACK = 4.0
"""Px that a box or keypoint may lie outside a photo that it is of."""
_FEW = 3
"""So many people must lie on their sides for a turned photo to be taken for one that is annotated unturned."""


def photo_findings(faults: Faults, looked: int) -> tuple[Finding, ...]:
    """The bad photos by kind."""
    by_kind: dict[str, list[tuple[Photo, str]]] = defaultdict(list)
    for photo, look in faults:
        by_kind[look.kind].append((photo, look.wrong))
    return tuple(
        finding
        for kind, bad in by_kind.items()
        for finding in found(
            kind,
            "{n} of {looked} cannot be used[: it|; the first] {wrong}",
            [photo.file_name for photo, _ in bad],
            looked=counted(looked, "photo"),
            wrong=bad[0][1],
        )
    )


def decode(photo: Photo) -> np.ndarray:
    """Decode a photo as MMPose does: BGR, EXIF rotation applied; shape (H, W, 3), uint8.

    Raises:
        OccbenchError: It cannot be decoded.
    """
    try:
        data = np.fromfile(photo.path, dtype=np.uint8)
    except OSError as error:
        raise OccbenchError(f"photo {str(photo.path)!r} cannot be read: {error.strerror or error}") from error
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # more pixels than it accepts
        picture = None
    if picture is None:
        raise OccbenchError(f"photo {str(photo.path)!r} cannot be decoded")
    return picture
