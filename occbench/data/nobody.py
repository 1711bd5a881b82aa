"""The figures of a data set that stand on nobody: known before anything is measured."""

from __future__ import annotations

import numpy as np

from ..evaluation.matching import AREAS
from .findings import Finding, found
from .persons import Dataset


def on_nobody(dataset: Dataset) -> tuple[Finding, ...]:
    """The keypoints that are labelled for none of the measured persons, and the sizes and levels that none is of.

    Of the data set as it is measured: a limit, and photos that are left out, take people away.
    """
    truth = dataset.truth
    measured = (truth.num_keypoints > 0) & ~truth.crowd
    here = np.any(truth.visibility[measured] > 0, axis=0)
    lacking = [name for name, known in zip(dataset.skeleton.keypoints, here, strict=True) if not known]
    return (
        *found("nobody", "{n} keypoint[ is|s are] labelled for nobody", lacking),
        *found("nobody", "{n} figure[ is of a size|s are of sizes] that nobody has", _sizes(dataset, measured)),
        *found("nobody", "{n} figure[ is of a level|s are of levels] that nobody is of", _levels(dataset, measured)),
    )


def _sizes(dataset: Dataset, measured: np.ndarray) -> list[str]:
    """Those of COCO's AP that have nobody."""
    if dataset.metric != "oks":
        return []
    area = dataset.truth.area[measured]
    bounds = zip(("AP(M)", "AP(L)"), AREAS[1:].tolist(), strict=True)
    return [name for name, (low, high) in bounds if not ((area >= low) & (area <= high)).any()]


def _levels(dataset: Dataset, measured: np.ndarray) -> list[str]:
    """CrowdPose's levels that have photos, but nobody."""
    levels = dataset.levels or {}
    there = {levels.get(image) for image in np.unique(dataset.truth.image[measured]).tolist()}
    return sorted(set(levels.values()) - there)
