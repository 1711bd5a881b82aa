"""Photos of nothing, with annotations of what a model finds in them: so a model of random weights has an AP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from occbench.attacks import COCO
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset, Photo
from occbench.data.photos import decode
from occbench.estimators.protocol import PhotoEstimator

SIZES = ((160, 120), (120, 160), (176, 112), (160, 120))
"""Width and height of the photos, px."""


def make_photos(folder: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Photo]:
    """Write blotches as PNG files."""
    folder.mkdir(parents=True)
    photos = []
    for i, (width, height) in enumerate(sizes):
        noise = np.random.default_rng(i).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        path = folder / f"{i + 1:012d}.png"
        cv2.imwrite(str(path), cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))
        photos.append(Photo(i + 1, path.name, path, width, height))
    return photos


def annotate(model: PhotoEstimator, photos: Sequence[Photo], path: Path, seed: int = 0) -> Dataset:
    """Write COCO annotations of two of three persons whom a model finds, moved by some px; of the last photo nobody.

    Keypoints outside of the photo are not labelled. The annotated persons are read back.
    """
    rng = np.random.default_rng(seed)
    records = []
    for photo in photos[:-1]:
        (found,) = model.predict([model.prepare(decode(photo))])
        for points in found.keypoints[np.arange(len(found)) % 3 > 0]:
            moved = points + rng.normal(0, 2, points.shape)
            inside = ((moved >= 0) & (moved < (photo.width, photo.height))).all(1)
            if inside.sum() < 4:
                continue
            low, high = moved[inside].min(0), moved[inside].max(0) + 1
            triples = np.column_stack([np.where(inside[:, None], moved, 0), 2 * inside])
            records.append(
                {
                    "id": len(records) + 1,
                    "image_id": photo.id,
                    "category_id": 1,
                    "keypoints": triples.ravel().tolist(),
                    "num_keypoints": int(inside.sum()),
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": 0.6 * float(np.prod(high - low)),
                    "iscrowd": 0,
                }
            )
    images = [{"id": p.id, "file_name": p.file_name, "width": p.width, "height": p.height} for p in photos]
    category = {"id": 1, "name": "person", "keypoints": list(COCO.keypoints), "skeleton": []}
    path.write_text(json.dumps({"images": images, "annotations": records, "categories": [category]}))
    return read_coco(path, photos[0].path.parent)
