"""A folder of cut-outs of the user's own: RGBA pictures, and a note of their licence (PROTOCOL section 10)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..attacks import Cutout, Cutouts
from ..system.errors import OccbenchError, quoted

ENDINGS = (".png", ".webp", ".tif", ".tiff")
"""Of pictures that can have an alpha channel."""

NOTES = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "README", "cutouts.json")
"""Files, with any ending, in which a licence may be noted; the first that is there is read."""

MAX_BYTES = 2**26
LONGEST = 512
"""Px of a picture's longer side: larger ones are shrunk by areas; crops are smaller than that."""

_NOTE = 300  # characters that are kept of a note


def read_cutouts(folder: Path, say: Callable[[str], None] = lambda line: None) -> Cutouts:
    """Read the cut-outs of a folder, by name; what cannot be used is left out and said.

    Args:
        folder: With pictures in colour with alpha; folders in it are not looked into.
        say: Told what is left out, and that nothing notes a licence.

    Raises:
        OccbenchError: There is no such folder, or no picture in it can be used.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    except OSError as error:
        raise OccbenchError(f"--occluders {str(folder)!r} cannot be read: {error.strerror or error}") from error
    found, wrong = [], []
    for path in files:
        try:
            found.append(Cutout(path.stem, _picture(path)))
        except ValueError as error:
            wrong.append(f"{path.name}: {error}")
    if not found:
        reason = f"; {wrong[0]}" if wrong else f": it needs pictures in {', '.join(ENDINGS)}"
        raise OccbenchError(f"--occluders {str(folder)!r} has no cut-out that can be used{reason}")
    if wrong:
        say(f"{len(wrong)} of {len(files)} occluders are left out: {quoted(wrong)}")
    licence = _licence(folder)
    if licence is None:
        say(
            f"nothing in {str(folder)!r} notes the licence of its pictures ({', '.join(NOTES)}): add a note before "
            "attacked photos are passed on"
        )
    return Cutouts(tuple(found), licence, folder)


def copy_cutouts(cutouts: Cutouts, to: Path) -> None:
    """Copy the pictures that cut-outs were read from, and the notes beside them.

    Args:
        cutouts: Of a folder.
        to: A folder that is not there yet; reading it gives the same cut-outs.

    Raises:
        OccbenchError: The pictures were changed since they were read.
    """
    assert cutouts.folder is not None  # the drawn ones come with the program
    to.mkdir()
    notes = {path for name in NOTES for path in cutouts.folder.glob(name if "." in name else f"{name}*")}
    for path in sorted(cutouts.folder.iterdir()):
        used = path.suffix.lower() in ENDINGS and path.stem in {cutout.name for cutout in cutouts.all}
        if (used or path in notes) and path.is_file():
            shutil.copyfile(path, to / path.name)
    if read_cutouts(to).sha256 != cutouts.sha256:
        raise OccbenchError(f"--occluders {str(cutouts.folder)!r} was changed meanwhile: give the command again")


def _picture(path: Path) -> np.ndarray:
    """(h, w, 4), uint8, BGRA.

    Raises:
        ValueError: It cannot be decoded.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // 2**20} MiB")
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as error:
        raise ValueError("cannot be decoded") from error
    if picture is None:
        raise ValueError("cannot be decoded")
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        raise ValueError("not of 8-bit colour with alpha (RGBA)")
    if not (picture[..., 3] >= 128).any():
        raise ValueError("nothing of it is opaque")
    return _shrunk(_trimmed(picture))


def _trimmed(picture: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero((picture[..., 3] > 0).any(axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _shrunk(picture: np.ndarray) -> np.ndarray:
    longer = max(picture.shape[:2])
    if longer <= LONGEST:
        return np.ascontiguousarray(picture)
    size = [max(1, round(side * LONGEST / longer)) for side in picture.shape[1::-1]]
    alpha = picture[..., 3:].astype(np.float32) / 255
    small = cv2.resize(
        np.concatenate([picture[..., :3] * alpha, 255 * alpha], axis=2), size, interpolation=cv2.INTER_AREA
    )
    colour = small[..., :3] * 255 / np.maximum(small[..., 3:], 1)
    return np.rint(np.concatenate([np.clip(colour, 0, 255), small[..., 3:]], axis=2)).astype(np.uint8)


def _licence(folder: Path) -> str | None:
    for name in NOTES:
        for path in sorted(folder.glob(name if "." in name else f"{name}*")):
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    text = file.read(2**22)
            except OSError:
                continue
            note = _of_records(text) if path.suffix == ".json" else " ".join(text.split())
            if note:
                return f"{path.name}: {note}"[:_NOTE]
    return None


def _of_records(text: str) -> str:
    """The licences that a list of records names, with how many pictures have each."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    counts: dict[str, int] = {}
    for record in records if isinstance(records, list) else ():
        for key, value in record.items() if isinstance(record, dict) else ():
            if "licen" in key.lower() and isinstance(value, (str, int)):
                counts[f"{key} {value}"] = counts.get(f"{key} {value}", 0) + 1
    return ", ".join(f"{name} ({n})" for name, n in sorted(counts.items()))
