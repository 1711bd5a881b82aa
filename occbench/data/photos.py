"""Photos: found before the work starts, read while it goes on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..errors import OccbenchError
from .persons import Dataset, Photo

if TYPE_CHECKING:
    from PIL import Image

_END = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
"""Markers that a whole file ends with."""
_TAIL = 1 << 12
"""Bytes at a file's end within which its end marker must lie."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how a photo is turned, and its values that swap width and height."""
_QUARTER_TURNS = (5, 6, 7, 8)


def fault(photo: Photo) -> str | None:
    """What is wrong with a photo's file, or None: missing, no picture, cut off, or of another size than annotated.

    A JPEG or PNG is read but not decoded: cut off, it lacks its end marker, which decoders do not complain about. Other
    formats have no such marker, and are decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        data = photo.path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    try:
        with Image.open(io.BytesIO(data)) as picture:
            size = picture.size
            if not _is_whole(picture, data):
                return "is truncated"
            if size[::-1] == (photo.width, photo.height) and picture.getexif().get(_ORIENTATION) in _QUARTER_TURNS:
                return None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "is not an image" if data else "is empty"
    if size != (photo.width, photo.height):
        return f"is {size[0]}x{size[1]}, but annotated as {photo.width}x{photo.height}"
    return None


def _is_whole(picture: Image.Image, data: bytes) -> bool:
    if picture.format in _END:
        return _END[picture.format] in data[-_TAIL:]
    try:
        picture.load()
    except OSError:
        return False
    return True


def check_photos(dataset: Dataset, skip_unreadable: bool = False) -> Dataset:
    """Check every photo that has a person, before anything is computed.

    Args:
        dataset: The data set.
        skip_unreadable: Leave bad photos out, with their persons, in place of stopping.

    Returns:
        The data set, without the photos that are skipped.

    Raises:
        OccbenchError: A photo is bad; the message names it and says how many more there are.
    """
    used = {p.photo.id: p.photo for p in dataset.persons}.values()
    faults = [(photo, wrong) for photo in used if (wrong := fault(photo))]
    if not faults:
        return dataset
    if not skip_unreadable:
        photo, wrong = faults[0]
        more = f"; so are {len(faults) - 1} more of {len(used)} photos" if len(faults) > 1 else ""
        hint = "check --images" if len(faults) == len(used) > 1 else "mend it, or leave it out by --skip-unreadable"
        raise OccbenchError(f"photo {str(photo.path)!r} {wrong}{more}: {hint}")
    left = dataset.without({photo.id for photo, _ in faults}, tuple(photo.file_name for photo, _ in faults))
    if not left.persons:
        raise OccbenchError("no photo with a person is readable: check --images")
    return left


def decode(photo: Photo) -> np.ndarray:
    """Decode a photo as MMPose does: BGR, EXIF rotation applied; shape (H, W, 3), uint8.

    Raises:
        OccbenchError: It cannot be decoded.
    """
    try:
        data = np.fromfile(photo.path, dtype=np.uint8)
    except OSError as error:
        raise OccbenchError(f"photo {str(photo.path)!r} cannot be read: {error.strerror or error}") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise OccbenchError(f"photo {str(photo.path)!r} cannot be decoded")
    return picture
