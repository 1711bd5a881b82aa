"""FLIC (Frames Labeled In Cinema): ``examples.mat`` and the frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..attacks import FLIC
from ..system.errors import OccbenchError
from .matfile import fields, laid_out, number, read_mat, text, variable
from .persons import Dataset, Photo
from .photos import decoded_size
from .records import Record, assemble, box_around, inside, require_folder, torso

COLUMNS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16)
"""Of the 29 places of ``coords``, those of the labelled joints, in the skeleton's order; the others hold NaN."""
PLACES = 29
SPLITS = ("train", "test")
_FAR = 1e6


@laid_out
def read_flic(examples: Path, images: Path, name: str | None = None, split: str | None = "test") -> Dataset:
    """Read FLIC.

    No boxes of the persons are annotated: a person's box is that of the labelled joints, grown by a tenth of its longer
    side. A frame of several persons has an example for each.

    Args:
        examples: ``examples.mat``.
        images: Folder of the frames.
        name: For tables; ``flic`` by default.
        split: ``train``, ``test``, or None for both.

    Raises:
        OccbenchError: The file is missing, is no such file, or has nobody in the split.
    """
    what = f"annotation file {str(examples)!r}"
    given = variable(read_mat(examples, "annotation file"), "examples", what)
    needed = ("coords", "filepath", *((f"is{split}",) if split else ()))
    fields(given, needed, f"{what}: 'examples'")
    require_folder(images)
    photos: dict[int, Photo] = {}
    known: dict[str, Photo] = {}
    records = []
    for i, example in enumerate(given.ravel()):
        if split and number(example[f"is{split}"]) != 1:
            continue
        coords = np.asarray(example["coords"])
        if coords.shape != (2, PLACES) or not np.issubdtype(coords.dtype, np.number):
            raise OccbenchError(
                f"{what}: 'coords' of example {i} has shape {coords.shape}, but FLIC's is (2, {PLACES})"
            )
        points = coords[:, COLUMNS].T.astype(np.float64)
        labelled = np.all(np.isfinite(points), axis=1)
        if not (np.abs(points[labelled]) <= _FAR).all():
            raise OccbenchError(f"{what}: a joint of example {i} lies in no frame")
        file_name = text(example["filepath"])
        if file_name not in known:
            path = inside(images, file_name, f"{what}: example {i}")
            known[file_name] = photos[i] = Photo(i, file_name, path, *decoded_size(path))
        photo = known[file_name]
        points = np.where(labelled[:, None], points, 0)
        box = box_around(points, labelled, (photo.width, photo.height))
        if box is None:
            continue
        area = float((box[2] - box[0]) * (box[3] - box[1]) * 0.53)
        records.append(Record(i, photo, points, 2 * labelled, box, area, torso(points, labelled, FLIC)))
    return assemble(records, photos, FLIC, "pdj", name or "flic", examples, images)
