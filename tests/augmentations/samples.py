"""Samples as MMPose's pipelines carry them between the affine and the targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occbench.attacks import COCO

from ..attacks.people import EVERYTHING, SIZE, STANDING, noise


def sample(
    points: np.ndarray = STANDING, labelled: np.ndarray = EVERYTHING, image: np.ndarray | None = None, **more: Any
) -> dict[str, Any]:
    """One person's crop; noise, so that every painted pixel shows."""
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return {
        "img": image,
        "transformed_keypoints": points[None].astype(np.float32),
        "keypoints_visible": labelled[None].astype(np.float32),
        "dataset_name": "coco",
        "input_size": image.shape[1::-1],
        "id": 1,
        **more,
    }


def photo(people: list[tuple[np.ndarray, np.ndarray]], **more: Any) -> dict[str, Any]:
    """A bottom-up sample: a photo with several persons (points, labelled)."""
    return {
        "img": noise(np.random.default_rng(1)),
        "keypoints": np.stack([points for points, _ in people]).astype(np.float32),
        "keypoints_visible": np.stack([labelled for _, labelled in people]).astype(np.float32),
        "dataset_name": "coco",
        "input_size": SIZE[::-1],
        "id": list(range(1, len(people) + 1)),
        **more,
    }


def apply(transform: Any, given: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """The transform's output from a given state of numpy's global generator; the input's picture stays as it was."""
    before = given["img"].copy()
    np.random.seed(seed)  # noqa: NPY002 (MMPose's random state)
    out: dict[str, Any] = transform(dict(given))
    np.testing.assert_array_equal(given["img"], before)
    return out


def changed(given: dict[str, Any], out: dict[str, Any]) -> np.ndarray:
    """Which pixels differ; shape (H, W), bool."""
    result: np.ndarray = (given["img"] != out["img"]).any(-1)
    return result


class Crowd:
    """A data set of photos on disk, one person each, as PartMix asks MMPose's for them.

    Args:
        folder: Where the photos are written.
        labelled: Shape (N, 17), bool.
    """

    def __init__(self, folder: Path, labelled: np.ndarray) -> None:
        import cv2

        self.labelled = labelled
        self.read: list[int] = []
        self.paths = [folder / f"{i}.png" for i in range(len(labelled))]
        for i, path in enumerate(self.paths):
            cv2.imwrite(str(path), np.random.default_rng(100 + i).integers(0, 256, (*SIZE, 3), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.paths)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Person ``index``, whose id is that plus 1."""
        self.read.append(index)
        return {
            "img_path": str(self.paths[index]),
            "id": index + 1,
            "bbox": np.array([[20, 10, 170, 240]], dtype=np.float32),
            "keypoints": STANDING[None].astype(np.float32),
            "keypoints_visible": self.labelled[index][None].astype(np.float32),
        }


def only(*parts: str) -> np.ndarray:
    """Labels of the keypoints of these parts alone; shape (17,), bool."""
    return np.isin(np.arange(17), [i for part in parts for i in COCO.indices("part", part)])
