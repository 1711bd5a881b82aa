"""Files that are no photos, or too much of one."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .case import Arguments, Case, Place

Spoil = Callable[[Place], Arguments]


def png(width: int, height: int, *more: tuple[bytes, bytes]) -> bytes:
    """A grey PNG that says it is so large, of so many black pixels, in about a thousandth of their bytes."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    packed = b"".join(squeeze.compress(row * 64) for _ in range(height // 64)) + squeeze.flush()
    chunks = [(b"IHDR", header), *more, (b"IDAT", packed), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def damaged(change: Callable[[Path, bytes], object]) -> Spoil:
    """The second photo, changed; its bytes are given."""

    def spoil(place: Place) -> Arguments:
        path = place.people.images / "000001.jpg"
        data = path.read_bytes()
        path.unlink()
        change(path, data)
        return place.attack()

    return spoil


def bomb(width: int, height: int) -> Spoil:
    """The second photo as a picture of one colour that is annotated with its true size."""

    def spoil(place: Place) -> Arguments:
        place.photo().write_bytes(png(width, height))
        place.change(lambda content: content["images"][1].update(width=width, height=height))
        return place.attack()

    return spoil


def saved(kind: str, share: float) -> Callable[[Path, bytes], object]:
    """Noise in a format, cut off."""

    def save(path: Path, data: bytes) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, kind)
        os.truncate(path, int(share * path.stat().st_size))

    return save


MARK = "ghostscript-ran"


def postscript(path: Path, data: bytes) -> None:
    """What Pillow hands to Ghostscript, as a program that writes a file."""
    path.write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 300\n%%EndComments\n"
        f"({path.parents[2] / MARK}) (w) file closefile\nshowpage\n%%EOF\n"
    )


def no_mark(place: Place) -> None:
    """The program did not run. (Where there is no Ghostscript it could not; then this shows nothing.)"""
    assert not (place.folder / MARK).exists()


def sparse(path: Path, data: bytes) -> None:
    """A photo with very many zeros after it."""
    path.write_bytes(data)
    os.truncate(path, 3 * 2**30)


def loop(path: Path, data: bytes) -> None:
    """Two links that lead to each other."""
    path.symlink_to("b.jpg")
    path.with_name("b.jpg").symlink_to(path.name)


def folder_loop(place: Place) -> Arguments:
    """A folder that is in itself: every path through it exists, up to the system's bound."""
    (place.people.images / "again").symlink_to(".")
    place.change(lambda content: content["images"][1].update(file_name="again/" * 60 + "000001.jpg"))
    return place.attack()


PHOTOS = [
    Case("a photo of 0 bytes", damaged(lambda path, data: path.write_bytes(b"")), ("is empty",)),
    Case("a JPEG that is cut off", damaged(lambda path, data: path.write_bytes(data[:3000])), ("is truncated",)),
    Case("a PNG that is cut off", damaged(saved("PNG", 0.9)), ("is truncated",)),
    Case("a TIFF that is cut off", damaged(saved("TIFF", 0.5)), ("000001.jpg' is ",)),
    Case("a WebP that is cut off", damaged(saved("WEBP", 0.5)), ("000001.jpg' is ",)),
    Case("text", damaged(lambda path, data: path.write_text("a photo")), ("is not an image",)),
    Case(
        "an SVG with a script in it",
        damaged(lambda path, data: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")),
        ("is not an image",),
    ),
    Case("PostScript that writes a file", damaged(postscript), ("is not an image",), proof=no_mark),
    Case("a PNG of 100 Mpx in 13 kB", bomb(10_240, 9_984), ("102,236,160 pixels", "89,478,485")),
    Case("a PNG of 400 Mpx in 50 kB", bomb(20_480, 19_968), ("408,944,640 pixels", "89,478,485")),
    Case("a PNG of another size than annotated", damaged(lambda p, d: p.write_bytes(png(512, 512))), ("is 512x512",)),
    Case("a JPEG with 3 GiB of zeros behind it", damaged(sparse), ("3,221,225,472 bytes", "1,073,741,824")),
    Case("no photo", damaged(lambda path, data: None), ("is missing",)),
    Case("a folder in place of a photo", damaged(lambda path, data: path.mkdir()), ("Is a directory",)),
    Case("a link to nothing", damaged(lambda path, data: path.symlink_to("nowhere.jpg")), ("is missing",)),
    Case("links that lead to each other", damaged(loop), ("Too many levels of symbolic links",)),
    Case("a folder that is in itself, 60 deep", folder_loop, ("Too many levels of symbolic links",)),
    Case("a link to /dev/zero", damaged(lambda path, data: path.symlink_to("/dev/zero")), ("a device or a pipe",)),
    Case("a pipe that nobody writes to", damaged(lambda path, data: os.mkfifo(path)), ("a device or a pipe",)),
    Case(
        "no image folder",
        lambda place: (shutil.rmtree(place.people.images), place.attack())[1],
        ("image folder", "does not exist"),
    ),
]
