"""AP over some of the images: CrowdPose's easy, medium and hard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeAlias

import numpy as np

from .bootstrap import Prepared, Resampled, Weights, prepare, resample
from .cells import Protocol
from .types import Detections, GroundTruth

LevelFigures: TypeAlias = dict[str, tuple[Prepared, Resampled | None]]
"""By level: its figures over all keypoints, and their draws."""


def level_images(truth: GroundTruth, levels: Mapping[int, str]) -> dict[str, np.ndarray]:
    """The images of each level that has any, levels in the order of their first mention.

    Args:
        truth: Annotated persons.
        levels: By image id.

    Returns:
        Positions in ``truth.image_ids``, int64, by level.
    """
    named = np.array([levels.get(int(i), "") for i in truth.image_ids])
    found = {level: np.flatnonzero(named == level) for level in dict.fromkeys(levels.values())}
    return {level: positions for level, positions in found.items() if len(positions)}


def restrict(truth: GroundTruth, detections: Detections, image_ids: np.ndarray) -> tuple[GroundTruth, Detections]:
    """The persons and detections of some images (sorted ids), as if there were no others."""
    rows, columns = np.isin(truth.image, image_ids), np.isin(detections.image, image_ids)
    each = {f.name: getattr(truth, f.name)[rows] for f in fields(truth) if f.name != "image_ids"}
    found = detections.some(columns)
    if found.owner is not None:
        found = replace(found, owner=np.where(found.owner < 0, -1, (np.cumsum(rows) - 1)[found.owner]))
    return GroundTruth(image_ids=image_ids, **each), found


class LevelDraws:
    """The draws of images, by level: made once, so that cells can be compared.

    Args:
        truth: Annotated persons.
        levels: By image id.
        weights: Draws of all images; None for no draws.
    """

    def __init__(self, truth: GroundTruth, levels: Mapping[int, str], weights: Weights | None) -> None:
        self.images = level_images(truth, levels)
        self._weights = {
            level: None if weights is None else Weights(weights.draws[:, at], weights.leave_out[:, at])
            for level, at in self.images.items()
        }

    def evaluate(
        self, truth: GroundTruth, detections: Detections, sigmas: np.ndarray, protocol: Protocol = "corrected"
    ) -> LevelFigures:
        """The figures over all keypoints of each level, and their draws."""
        found: LevelFigures = {}
        for level, at in self.images.items():
            some, seen = restrict(truth, detections, truth.image_ids[at])
            prepared = prepare(some, seen, sigmas, protocol, {None: None})
            weights = self._weights[level]
            found[level] = prepared, None if weights is None else resample(prepared, weights)
        return found
