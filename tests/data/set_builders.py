"""Small files in the published layouts of the data sets, for tests to read and to spoil."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

Content = dict[str, Any]


def photo(path: Path, width: int = 120, height: int = 160, seed: int = 0) -> Path:
    """Noise as a JPEG (or what the name says)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), noise)
    return path


def dump(path: Path, content: object) -> Path:
    """JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def pose(rng: np.random.Generator, joints: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Joints (K, 2) well inside a photo, on a grid of 1/4 px."""
    return np.rint(rng.uniform((20, 20), (size[0] - 20, size[1] - 20), (joints, 2)) * 4) / 4


def mpii_json(rng: np.random.Generator, persons: int = 3) -> list[Content]:
    """MMPose's JSON: persons on photos 000000001.jpg, ...; the last joint of the second one is not labelled."""
    people = []
    for i in range(persons):
        joints, flags = pose(rng, 16), [1] * 16
        if i == 1:
            joints[15], flags[15] = -1, 0
        center = joints[flags.index(1) :].mean(0)
        image = f"{i // 2 + 1:09d}.jpg"
        people.append(
            {
                "joints_vis": flags,
                "joints": joints.tolist(),
                "image": image,
                "scale": round(float(rng.uniform(0.4, 0.7)), 6),
                "center": center.round(2).tolist(),
            }
        )
    return people


def head_boxes(rng: np.random.Generator, persons: int) -> np.ndarray:
    """Shape (2, 2, persons): corner, axis, person."""
    corner = rng.uniform(10, 60, (persons, 2))
    return np.stack([corner, corner + rng.uniform(15, 40, (persons, 2))]).transpose(0, 2, 1)


def struct(rows: Sequence[Content], names: Sequence[str] | None = None) -> np.ndarray:
    """A MATLAB struct array (1, n); a field that a row lacks is empty."""
    names = list(names or dict.fromkeys(name for row in rows for name in row))
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for i, row in enumerate(rows):
        for name in names:
            array[0, i][name] = row.get(name, np.empty((0, 0)))
    return array


def mpii_mat(path: Path, people: Sequence[Content], heads: np.ndarray, untrained: int = 1) -> Path:
    """The original file of the same persons, photo by photo, with what the real one has besides.

    A labelled head joint has no flag; some flags are text and some empty; photos without persons, test photos (with a
    position but no joints) and persons without joints stand in between.
    """
    by_photo: dict[str, list[int]] = {}
    for i, person in enumerate(people):
        by_photo.setdefault(person["image"], []).append(i)
    annolist, training = [], []
    for image, members in by_photo.items():
        rectangles: list[Content] = [{"scale": 1.5, "objpos": struct([{"x": 5.0, "y": 6.0}])}]
        for i in members:
            person = people[i]
            points = [
                {"x": x, "y": y, "id": joint, **({} if joint in (8, 9) else {"is_visible": visible_flag(joint)})}
                for joint, ((x, y), there) in enumerate(zip(person["joints"], person["joints_vis"], strict=True))
                if there
            ]
            (x1, y1), (x2, y2) = heads[:, :, i]
            rectangles.append(
                {
                    "x1": x1,
                    "y1": y1,
                    "x2": x2,
                    "y2": y2,
                    "scale": person["scale"],
                    "objpos": struct([dict(zip("xy", person["center"], strict=True))]),
                    "annopoints": struct([{"point": struct(points, ["x", "y", "id", "is_visible"])}]),
                }
            )
        annolist.append({"image": struct([{"name": image}]), "annorect": struct(rectangles)})
        training.append(1)
    for i in range(untrained):
        empty = {"image": struct([{"name": f"{900 + i:09d}.jpg"}]), "annorect": np.empty((0, 0))}
        here = struct([{"scale": 2.0, "objpos": struct([{"x": 9.0, "y": 9.0}])}])
        annolist += [empty, {"image": struct([{"name": f"{800 + i:09d}.jpg"}]), "annorect": here}]
        training += [1, 0]
    release = struct([{"annolist": struct(annolist), "img_train": np.array([training]), "version": "12"}])
    savemat(path, {"RELEASE": release})
    return path


def visible_flag(joint: int) -> object:
    """Occluded for every fifth joint; written in the ways that the real file has."""
    if joint % 5 == 0:
        return 0 if joint % 2 else "0"
    return 1 if joint % 2 else "1"


def lsp(folder: Path, rng: np.random.Generator, photos: int = 6, extended: bool = False) -> np.ndarray:
    """``joints.mat`` and the photos; returns the poses (N, 14, 3) with the file's own flags in the last column."""
    poses = np.stack([pose(rng, 14) for _ in range(photos)])
    flags = (rng.random((photos, 14)) < (0.8 if extended else 0.2)).astype(float)
    flags[:, [2, 3, 8, 9]] = 1 if extended else 0
    array = np.concatenate([poses, flags[..., None]], axis=2)
    for i in range(photos):
        photo(folder / "images" / (f"im{i + 1:05d}.jpg" if extended else f"im{i + 1:04d}.jpg"), seed=i)
    savemat(folder / "joints.mat", {"joints": array.transpose(1, 2, 0) if extended else array.transpose(2, 1, 0)})
    return array


def flic(folder: Path, rng: np.random.Generator, examples: int = 5) -> list[Content]:
    """``examples.mat`` and the frames; the last two examples are of one frame, and every second is for training."""
    rows: list[Content] = []
    for i in range(examples):
        coords = np.full((2, 29), np.nan)
        joints = [0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16]
        coords[:, joints] = pose(rng, 11).T
        name = f"film-{min(i, examples - 2):08d}.jpg"
        photo(folder / "images" / name, seed=i)
        rows.append(
            {
                "poselet_hit_idx": np.array([[3, 5]]),
                "moviename": "film",
                "coords": coords,
                "filepath": name,
                "imgdims": np.array([[160, 120, 3]]),
                "currframe": i,
                "torsobox": np.array([[9.0, 9, 50, 70]]),
                "istrain": int(i % 2 == 1),
                "istest": int(i % 2 == 0),
            }
        )
    savemat(folder / "examples.mat", {"examples": struct(rows)})
    return rows


def crowdpose(rng: np.random.Generator, photos: int = 3, names: Sequence[str] | None = None) -> Content:
    """COCO's format, two persons a photo, crowd indices from all levels, no areas."""
    from occbench.data.crowded import LISTED

    images = [
        {
            "id": 100 + i,
            "file_name": f"{100 + i}.jpg",
            "width": 120,
            "height": 160,
            "crowdIndex": (0.1, 0.5, 0.9)[i % 3],
        }
        for i in range(photos)
    ]
    annotations = []
    for i in range(2 * photos):
        points = pose(rng, 14)
        flags = rng.choice([0, 1, 2], 14, p=[0.2, 0.2, 0.6])
        low, high = points.min(0), points.max(0)
        annotations.append(
            {
                "id": 7000 + i,
                "image_id": 100 + i // 2,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "keypoints": np.column_stack([points, flags]).ravel().tolist(),
                "num_keypoints": int((flags == 2).sum()),
            }
        )
    category = {"id": 1, "name": "person", "keypoints": list(names or LISTED), "skeleton": []}
    return {"images": images, "annotations": annotations, "categories": [category]}
