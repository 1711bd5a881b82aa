"""Leeds Sports Pose and its extended training set: ``joints.mat`` and numbered photos.

LSP's matrix is 3 x 14 x photos, and its third row says which joints are occluded (all are labelled). The extended
set's is 14 x 3 x photos, and its third column says which joints are labelled (the others hold anything).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..attacks import LSP
from ..system.errors import OccbenchError
from .matfile import laid_out, read_mat, variable
from .persons import Dataset, Photo
from .photos import decoded_size
from .records import Record, assemble, box_around, count_pictures, require_folder, torso

JOINTS = len(LSP.keypoints)
TEST = range(1001, 2001)
"""Numbers of LSP's test photos; those before train."""
_FAR = 1e6


@laid_out
def read_lsp(joints: Path, images: Path, name: str | None = None, numbers: range | None = None) -> Dataset:
    """Read LSP or its extended set; the file's shape says which.

    No boxes are annotated: a person's box is that of the labelled joints, grown by a tenth of its longer side.

    Args:
        joints: ``joints.mat``.
        images: Folder of ``im0001.jpg`` ... (extended: ``im00001.jpg`` ...).
        name: For tables; ``lsp`` or ``lspet`` by default.
        numbers: Which photos, counted from 1; None for all.

    Raises:
        OccbenchError: The file is missing, is no such file, or does not go with the photos.
    """
    what = f"annotation file {str(joints)!r}"
    array = variable(read_mat(joints, "annotation file"), "joints", what)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise OccbenchError(f"{what}: 'joints' holds no numbers")
    if array.ndim == 3 and array.shape[:2] == (3, JOINTS):
        extended, array = False, array.transpose(2, 1, 0).astype(np.float64)
    elif array.ndim == 3 and array.shape[:2] == (JOINTS, 3):
        extended, array = True, array.transpose(2, 0, 1).astype(np.float64)
    else:
        raise OccbenchError(
            f"{what}: 'joints' has shape {array.shape}, but LSP's is (3, {JOINTS}, photos) and the extended set's "
            f"({JOINTS}, 3, photos)"
        )
    there = count_pictures(require_folder(images))
    if there != len(array):
        raise OccbenchError(f"{what} is of {len(array)} photos, but {str(images)!r} has {there}: they are not one set")
    if numbers is not None and numbers.stop - 1 > len(array):
        raise OccbenchError(f"{what} is of {len(array)} photos, but number {numbers.stop - 1} is asked for")
    flags = array[..., 2]
    if not np.isin(flags, (0, 1)).all():
        raise OccbenchError(f"{what}: a joint has a flag other than 0 or 1")
    visibility = np.where(flags == 1, 2, 0) if extended else np.where(flags == 1, 1, 2)
    if not (np.abs(array[..., :2][visibility > 0]) <= _FAR).all():
        raise OccbenchError(f"{what}: a labelled joint lies in no photo")
    photos: dict[int, Photo] = {}
    records = []
    for n in numbers or range(1, len(array) + 1):
        file_name = f"im{n:05d}.jpg" if extended else f"im{n:04d}.jpg"
        photo = photos[n] = Photo(n, file_name, images / file_name, *decoded_size(images / file_name))
        record = to_record(n, photo, array[n - 1, :, :2], visibility[n - 1])
        records += [record] if record else []
    return assemble(records, photos, LSP, "pck", name or ("lspet" if extended else "lsp"), joints, images)


def to_record(number: int, photo: Photo, points: np.ndarray, visibility: np.ndarray) -> Record | None:
    """A person without an annotated box, or None where the joints make none.

    Args:
        number: Of the person.
        photo: The photo.
        points: Shape (14, 2), image px.
        visibility: Shape (14,), int.
    """
    labelled = visibility > 0
    points = np.where(labelled[:, None], points, 0)
    box = box_around(points, labelled, (photo.width, photo.height))
    if box is None:
        return None
    area = float((box[2] - box[0]) * (box[3] - box[1]) * 0.53)
    return Record(number, photo, points, visibility, box, area, torso(points, labelled, LSP))
