"""Photos: found before the work starts, read while it goes on."""

from __future__ import annotations

import io
import re
import stat
import warnings
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..system.errors import OccbenchError, quoted
from .persons import Dataset, Photo

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
"""Markers that a whole file ends with."""
_TAIL = 1 << 12
"""Bytes at a file's end within which its end marker must lie."""
_ORIENTATION = 0x0112
"""The EXIF tag that says how a photo is turned, and its values that swap width and height."""
_QUARTER_TURNS = (5, 6, 7, 8)


def fault(photo: Photo) -> str | None:
    """What is wrong with a photo's file, or None: missing, no picture, cut off, too large, or not as annotated.

    A JPEG or PNG is read but not decoded: cut off, it lacks its end marker, which decoders do not complain about. Other
    formats have no such marker, and are decoded. Links are followed wherever they lead: neither annotations nor
    archives can make one, so they are the user's own.
    """
    try:
        status = photo.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return f"cannot be read ({'Is a directory' if stat.S_ISDIR(status.st_mode) else 'a device or a pipe'})"
        if status.st_size > MAX_BYTES:
            return f"has {status.st_size:,} bytes, more than the {MAX_BYTES:,} that are read"
        data = photo.path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not data:
        return "is empty"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd metadata and large pictures
        return _content_fault(photo, data)


def _content_fault(photo: Photo, data: bytes) -> str | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            size = picture.size
            if size[0] * size[1] > MAX_PIXELS:
                return _too_many_pixels(size[0] * size[1])
            if not _is_whole(picture, data):
                return "is truncated"
            if size[::-1] == (photo.width, photo.height) and picture.getexif().get(_ORIENTATION) in _QUARTER_TURNS:
                return None
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        return _too_many_pixels(int(found[0]) if found else None)
    except Exception:  # Pillow gives up on damaged files in many ways
        return "is not an image"
    if size != (photo.width, photo.height):
        return f"is {size[0]}x{size[1]}, but annotated as {photo.width}x{photo.height}"
    return None


def _too_many_pixels(count: int | None) -> str:
    return f"has {'too many' if count is None else f'{count:,}'} pixels, more than the {MAX_PIXELS:,} that are decoded"


def _is_whole(picture: Image.Image, data: bytes) -> bool:
    if picture.format in _END:
        return _END[picture.format] in data[-_TAIL:]
    try:
        picture.load()
    except OSError:
        return False
    return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR) is not None


def check_photos(dataset: Dataset, skip_unreadable: bool = False, every: bool = False) -> Dataset:
    """Check every photo that has a person, before anything is computed.

    Args:
        dataset: The data set.
        skip_unreadable: Leave bad photos out, with their persons, in place of stopping.
        every: Check those without a person, too: a detector looks at them.

    Returns:
        The data set, without the photos that are skipped.

    Raises:
        OccbenchError: A photo is bad; the message names it and says how many more there are.
    """
    used = dataset.photos.values() if every else {p.photo.id: p.photo for p in dataset.persons}.values()
    faults = [(photo, wrong) for photo in used if (wrong := fault(photo))]
    if not faults:
        return dataset
    if not skip_unreadable:
        photo, wrong = faults[0]
        more = f"; so are {len(faults) - 1} more of {len(used)} photos" if len(faults) > 1 else ""
        hint = "check --images" if len(faults) == len(used) > 1 else "mend it, or leave it out by --skip-unreadable"
        raise OccbenchError(f"photo {quoted(str(photo.path), 300)} {wrong}{more}: {hint}")
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
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # more pixels than it accepts
        picture = None
    if picture is None:
        raise OccbenchError(f"photo {str(photo.path)!r} cannot be decoded")
    return picture
