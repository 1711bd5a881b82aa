"""An estimator of whole photos that is no network: it knows the people, and what is painted disturbs it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from occbench.attacks import Skeleton
from occbench.data.persons import Dataset
from occbench.data.photos import decode
from occbench.estimators.protocol import PhotoInput, PhotoPoses, Visibility


class MadeFinder:
    """Finds the annotated persons of a photo, the more wrongly the more pixels around a keypoint are not as they were.

    Of each photo it finds two persons more, who are nobody. Of those of whom much is painted it loses most.

    Args:
        dataset: Whose photos it knows, by their pixels' number and the nearest content.

    Attributes:
        seen: sha256 of every picture that was prepared.
        batches: How many photos each call predicted.
    """

    sees = "photo"
    input_size = (64, 64)
    flip = False
    scales: tuple[float, ...] = ()
    meta: dict[str, Any] = {}  # noqa: RUF012  # never changed
    from_elsewhere: Sequence[str] = ()
    choice = None
    visibility: Visibility = ""
    halvings = 0
    weights_sha256 = "0" * 64
    config_sha256 = "1" * 64

    def __init__(self, dataset: Dataset) -> None:
        self.keypoints = len(dataset.skeleton.keypoints)
        self._photos = [(decode(photo), photo.id) for photo in dataset.photos.values()]
        self._truth = dataset.truth
        self.seen: list[str] = []
        self.batches: list[int] = []

    def require(self, skeleton: Skeleton) -> None:
        """Any."""

    def use(self, backend: str, precision: str = "fp32", sample: Any = (), say: Any = None) -> None:
        """Nothing to choose."""

    def about_backend(self) -> dict[str, Any]:
        """For the manifest."""
        return {"name": "torch", "version": "0", "precision": "fp32", "device": "cpu"}

    def prepare(self, picture: np.ndarray) -> PhotoInput:
        """The photo as it is."""
        self.seen.append(hashlib.sha256(picture.tobytes()).hexdigest())
        return PhotoInput(picture.copy(), picture.shape, 0.5)

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """Those who are known to be there, disturbed."""
        self.batches.append(len(inputs))
        return [self._find(one.content) for one in inputs]

    def _find(self, picture: np.ndarray) -> PhotoPoses:
        alike = [
            (int((clean != picture).sum()), i)
            for i, (clean, _) in enumerate(self._photos)
            if clean.shape == picture.shape
        ]
        clean, image = self._photos[min(alike)[1]]
        changed = (clean != picture).any(-1)
        rng = np.random.default_rng([image, *picture[::7, ::7].sum((0, 1)).tolist()])
        poses, scores, totals = [], [], []
        for g in np.flatnonzero((self._truth.image == image) & ~self._truth.crowd):
            labelled = self._truth.visibility[g] > 0
            points = self._truth.keypoints[g].copy()
            x, y = (np.clip(points[:, i].astype(int), 0, changed.shape[1 - i] - 1) for i in (0, 1))
            hidden = changed[y, x]
            if not labelled.any() or ((hidden & labelled).mean() > 0.3 and rng.random() < 0.7):
                continue
            spread = 0.05 * np.sqrt(self._truth.area[g]) * (1 + 3 * hidden)
            poses.append(points + rng.normal(0, 1, points.shape) * spread[:, None])
            scores.append(np.where(hidden, 0.3, 0.8) + rng.uniform(-0.1, 0.1, len(points)))
            totals.append(rng.uniform(0.4, 1))
        for _ in range(2):
            poses.append(rng.uniform(0, 200, (self.keypoints, 2)))
            scores.append(rng.uniform(0, 0.5, self.keypoints))
            totals.append(rng.uniform(0, 0.7))
        arrays = (np.array(values, dtype=np.float32) for values in (poses, scores, totals))
        return PhotoPoses(*arrays)
