"""A small COCO data set that is right, for tests to spoil."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occbench.attacks import COCO

Content = dict[str, Any]
WIDTH, HEIGHT = 80, 100


def keypoints(x: float, y: float, visible: int = 17) -> list[float]:
    """Seventeen keypoints in a grid from (x, y) on, the first ``visible`` of them labelled."""
    rows: list[float] = []
    for k in range(17):
        rows += [x + 5 * (k % 4), y + 8 * (k // 4), 2] if k < visible else [0, 0, 0]
    return rows


def annotation(number: int, image: int, bbox: list[float], visible: int = 17, **other: Any) -> Content:
    """A person whose keypoints lie in its box."""
    points = keypoints(bbox[0] + 2, bbox[1] + 2, visible)
    fields = {"id": number, "image_id": image, "category_id": 1, "bbox": bbox, "keypoints": points}
    return {**fields, "num_keypoints": visible, "area": bbox[2] * bbox[3], "iscrowd": 0, **other}


def people() -> Content:
    """Three photos: two persons, one person, and one with a crowd and a person without labelled keypoints."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in (3, 1, 2)]
    annotations = [
        annotation(11, 3, [10, 10, 30, 50]),
        annotation(12, 1, [5, 5, 40, 60], visible=9),
        annotation(13, 3, [45, 20, 30, 60], visible=5),
        annotation(14, 2, [0, 0, 79, 99], iscrowd=1),
        annotation(15, 2, [20, 20, 30, 50], visible=0),
    ]
    category = {"id": 1, "name": "person", "keypoints": list(COCO.keypoints), "skeleton": []}
    return {"images": images, "annotations": annotations, "categories": [category]}


def write(folder: Path, content: object, name: str = "people.json") -> Path:
    """Write JSON, NaN and infinity as Python spells them."""
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def write_photos(folder: Path, content: Content) -> Path:
    """Noise of the annotated sizes."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for image in content["images"]:
        noise = rng.integers(0, 255, (image["height"], image["width"], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / image["file_name"]), noise)
    return folder
