"""Photos and their annotations as files, for other frameworks: lossless, and in COCO's format."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..attacks import SKELETONS, Attack
from ..data.coco import SYNTHETIC
from ..data.custom import EXPORTED, plain
from ..data.persons import Dataset, Photo
from ..inference.predictions import cell_slug
from ..runs import durable
from ..system.errors import OccbenchError

Extra = dict[str, Any]
"""What an attack adds to an annotation: ``hidden`` and ``regions``."""


def photo_name(photo: Photo) -> str:
    """The file of a photo: its image id."""
    return f"{photo.id:012d}.png"


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a picture (H, W, 3), BGR, or (H, W), uint8."""
    ok, content = cv2.imencode(".png", image)
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a picture of shape {image.shape}")
    path.write_bytes(content.tobytes())


def coco_of(
    data: Dataset,
    used: Sequence[Photo],
    sizes: Mapping[int, tuple[int, int]],
    attack: Attack | None,
    extras: Mapping[int, Extra],
) -> dict[str, Any]:
    """The truth of photos under an attack, of files named by :func:`photo_name`, in COCO's format.

    Args:
        data: Whose truth.
        used: The photos.
        sizes: By image id the height and width of a photo, px.
        attack: None for none.
        extras: By annotation id what an attack adds.
    """
    truth, skeleton = data.truth, data.skeleton
    nothing = {"hidden": [0] * len(skeleton.keypoints), "regions": []}
    annotations = []
    for g in np.flatnonzero(np.isin(truth.image, [photo.id for photo in used])).tolist():
        triples = np.column_stack([truth.keypoints[g], truth.visibility[g]])
        record = {
            "id": int(truth.ids[g]),
            "image_id": int(truth.image[g]),
            "category_id": 1,
            "bbox": truth.bbox[g].tolist(),
            "area": float(truth.area[g]),
            "iscrowd": int(truth.crowd[g]),
            "num_keypoints": int(truth.num_keypoints[g]),
            "keypoints": [int(v) if i % 3 == 2 else v for i, v in enumerate(triples.ravel().tolist())],
        }
        annotations.append(record | (extras.get(record["id"], nothing) if attack is not None else {}))
    links = [[skeleton.keypoints.index(a) + 1, skeleton.keypoints.index(b) + 1] for a, b in skeleton.edges]
    about = None if attack is None else asdict(attack) | {"name": attack.name, "placement": str(attack.placement)}
    drawn = f"{SYNTHETIC}: " * data.synthetic
    info = {"description": f"{drawn}{data.name}, {cell_slug(attack)}, scope image", "attack": about}
    if skeleton not in SKELETONS.values():
        info[EXPORTED] = plain(skeleton)
    return {
        "info": info,
        "images": [
            {"id": p.id, "file_name": photo_name(p), "width": sizes[p.id][1], "height": sizes[p.id][0]} for p in used
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.keypoints), "skeleton": links}],
    }


@contextmanager
def new_folder(out: Path, option: str) -> Iterator[Path]:
    """A folder to write in that becomes ``out`` when all went well; otherwise nothing is left.

    Args:
        out: New or empty.
        option: What it is called on the command line, for messages.

    Raises:
        OccbenchError: There is something, or it cannot be written.
    """
    try:
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise OccbenchError(f"{option} {str(out)!r} is there already; give a new or an empty folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=out.parent, prefix=durable.TEMPORARY))
        try:
            yield place
            place.chmod(0o777 & ~durable.umask())
            if out.is_dir():
                out.rmdir()
            place.rename(out)
            durable.sync_folder(out.parent)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
    except OSError as error:
        raise OccbenchError(f"{option} {str(out)!r} cannot be written: {error.strerror or error}") from error
