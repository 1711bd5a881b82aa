"""Models of several data sets: of their keypoints one data set's are kept (``output_keypoint_indices``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .heatmaps import Arrays


def mirror_of_all(flip_indices: Sequence[int], kept: Sequence[int], channels: int) -> list[int]:
    """Which of all a model's keypoints each is in the mirror, those that the data set lacks being themselves.

    MMPose takes the mirror of all from the model's own ``metainfo``; only kept keypoints are seen afterwards.

    Args:
        flip_indices: Of the data set's keypoints; returned as they are where they are for all of the model's.
        kept: The data set's keypoints among the model's.
        channels: How many the model has.
    """
    if len(flip_indices) != len(kept) or len(flip_indices) == channels:
        return [int(i) for i in flip_indices]
    mirror = list(range(channels))
    for keypoint, other in zip(kept, flip_indices, strict=True):
        mirror[keypoint] = int(kept[other])
    return mirror


def keep(refine: Callable[[np.ndarray], Arrays], kept: Sequence[int]) -> Callable[[np.ndarray], Arrays]:
    """A decoder's last step (keypoints (B, K, 2) and scores (B, K) from a table) for the kept keypoints alone."""

    def some(table: np.ndarray) -> Arrays:
        keypoints, scores = refine(table)
        return keypoints[:, list(kept)], scores[:, list(kept)]

    return some
