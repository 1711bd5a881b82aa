"""Photos of every kind that OpenCV reads: attacked, and decoded bit for bit as MMPose's LoadImage does it."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from occbench.data.coco import read_coco
from occbench.data.photos import decode
from occbench.system.compat import setup_mmpose

from ..command_line import Occbench
from .case import Content, Place, Record, Row

GROUP = "Photos of other kinds (handled as MMPose handles them)"
Encode = Callable[[np.ndarray], bytes]


def by_pillow(mode: str, kind: str, orientation: int = 0, exif: bytes = b"") -> Encode:
    """RGB to a file of such a mode and EXIF orientation; for 5 to 8 the stored picture lies on its side."""

    def encode(rgb: np.ndarray) -> bytes:
        stored = rgb.transpose(1, 0, 2) if orientation >= 5 else rgb
        about = Image.Exif()
        if orientation:
            about[0x0112] = orientation
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(stored)).convert(mode).save(buffer, kind, exif=exif or about)
        return buffer.getvalue()

    return encode


def sixteen_bits(extension: str, grey: bool) -> Encode:
    """RGB to 16 bits a channel."""

    def encode(rgb: np.ndarray) -> bytes:
        wide = rgb[..., ::-1].astype(np.uint16) * 257 + 13
        done, data = cv2.imencode(extension, wide[..., 0] if grey else wide)
        assert done
        return data.tobytes()

    return encode


def see_through(rgb: np.ndarray) -> bytes:
    """RGB to a PNG whose left half is transparent."""
    alpha = np.full(rgb.shape[:2], 255, dtype=np.uint8)
    alpha[:, : alpha.shape[1] // 2] = 0
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([rgb, alpha])).save(buffer, "PNG")
    return buffer.getvalue()


def holed(rgb: np.ndarray) -> bytes:
    """A JPEG with zeros in the middle of its data."""
    data = bytearray(by_pillow("RGB", "JPEG")(rgb))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    return bytes(data)


KINDS: dict[str, Encode] = {
    "a grayscale JPEG": by_pillow("L", "JPEG"),
    "a CMYK JPEG": by_pillow("CMYK", "JPEG"),
    "a grayscale PNG of 16 bits": sixteen_bits(".png", True),
    "a PNG of 16 bits a channel": sixteen_bits(".png", False),
    "a TIFF of 16 bits a channel": sixteen_bits(".tiff", False),
    "a PNG with an alpha channel": see_through,
    "a PNG with a palette": by_pillow("P", "PNG"),
    "a PNG of one bit": by_pillow("1", "PNG"),
    "a lossy WebP": by_pillow("RGB", "WEBP"),
    **{f"a JPEG with EXIF orientation {i}": by_pillow("RGB", "JPEG", i) for i in (1, 3, 5, 6, 8)},
    "a JPEG with EXIF data that are none": by_pillow("RGB", "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\1\1\x12"),
    "a JPEG with 64 zeros in its middle": holed,
}


def test_photos_of_every_kind_are_attacked(place: Place, occbench: Occbench, row: Record) -> None:
    picture = cv2.imread(str(place.people.images / "000000.jpg"))[..., ::-1]
    for number, encode in enumerate(KINDS.values()):
        (place.people.images / f"kind{number}").write_bytes(encode(picture))

    def one_each(content: Content) -> None:
        image = content["images"][0]
        person = next(a for a in content["annotations"] if a["image_id"] == image["id"])
        content["images"] = [{**image, "id": i, "file_name": f"kind{i}"} for i in range(len(KINDS))]
        content["annotations"] = [{**copy.deepcopy(person), "id": i, "image_id": i} for i in range(len(KINDS))]

    place.change(one_each)
    answer = occbench(*place.attack_with())
    assert answer.code == 0
    said = [line for line in answer.err.splitlines() if not line.startswith("Corrupt JPEG data")]  # libjpeg
    assert len(said) == 1
    assert "turned or mirrored by EXIF" in said[0]
    assert f"n = {len(KINDS)} persons" in answer.out
    setup_mmpose()
    from mmpose.datasets.transforms import LoadImage

    load = LoadImage()
    photos = read_coco(place.people.annotations, place.people.images).photos
    decoded = [decode(photo) for photo in photos.values()]
    for name, photo, ours in zip(KINDS, photos.values(), decoded, strict=True):
        theirs = load({"img_path": str(photo.path)})["img"]
        assert ours.dtype == theirs.dtype == np.uint8
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        row(
            Row(GROUP, name, "attacked; its pixels are those of MMPose's LoadImage", answer.code, said=False),
            ["pixels"],
        )
    turned = decoded[list(KINDS).index("a JPEG with EXIF orientation 6")]
    assert turned.shape == decoded[0].shape  # though it lies on its side in the file
    assert np.abs(turned.astype(int) - decoded[list(KINDS).index("a JPEG with EXIF orientation 1")]).mean() > 5
