"""Small populations with plausible predictions, for tests that need numbers in the middle of their range."""

from __future__ import annotations

import numpy as np

from occbench.evaluation.types import Detections, GroundTruth

SIGMAS = (
    np.array(
        [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89],
        dtype=np.float64,
    )
    / 1000
)


def population(rng: np.random.Generator, images: int = 12, persons: int = 30, k: int = 17) -> GroundTruth:
    """Persons of all sizes, some keypoints not labelled, the last two images empty."""
    ids = np.sort(rng.choice(10_000, images, replace=False)).astype(np.int64)
    image = rng.choice(ids[: max(1, images - 2)], persons)
    side = rng.uniform(20, 250, persons)
    corner = rng.uniform(0, 300, (persons, 2))
    visibility = rng.choice([0, 1, 2], (persons, k), p=[0.25, 0.15, 0.6])
    return GroundTruth(
        image_ids=ids,
        image=image,
        keypoints=corner[:, None] + rng.uniform(0, 1, (persons, k, 2)) * side[:, None, None],
        visibility=visibility,
        bbox=np.column_stack([corner, side, side]),
        area=side**2 * 0.6,
        num_keypoints=np.count_nonzero(visibility, axis=1),
        crowd=np.zeros(persons, dtype=bool),
        ids=np.arange(persons) + 1,
    )


def predictions(rng: np.random.Generator, truth: GroundTruth, noise: float = 0.05) -> Detections:
    """One or two predictions a person, errors of very different size, and a few false ones.

    The first prediction of a person is their box's, the others are nobody's.
    """
    who = np.concatenate([np.arange(len(truth)), rng.choice(len(truth), len(truth) // 2)])
    spread = np.sqrt(truth.area[who])[:, None, None] * rng.lognormal(0, 0.8, (len(who), 1, 1)) * noise
    keypoints = truth.keypoints[who] + rng.normal(size=(len(who), truth.k, 2)) * spread
    false = rng.uniform(0, 500, (len(truth) // 4, truth.k, 2))
    image = np.concatenate([truth.image[who], rng.choice(truth.image_ids, len(false))])
    scores = np.concatenate([rng.uniform(0.2, 1, len(who)), rng.uniform(0, 0.8, len(false))])
    owner = np.where(np.arange(len(image)) < len(truth), np.arange(len(image)), -1)
    return Detections(image, np.concatenate([keypoints, false]), np.round(scores, 2), owner)
