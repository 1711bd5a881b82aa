"""Kinds of errors and their transitions, beside the definition read out loud joint by joint."""

from __future__ import annotations

import math

import numpy as np
import pytest

from occbench.attacks import COCO
from occbench.evaluation.errors import (
    GOOD,
    INVERSION,
    JITTER,
    KINDS,
    LOST,
    MISS,
    NO_JOINT,
    SWAP,
    error_kinds,
    transitions,
)
from occbench.evaluation.types import GroundTruth

MIRROR = np.array(COCO.flip_indices)
SIGMAS = (
    np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89])
    / 10
)


def world(seed: int, persons: int = 9, images: int = 3) -> GroundTruth:
    rng = np.random.default_rng(seed)
    image = np.sort(rng.integers(0, images, persons))
    visibility = rng.integers(0, 3, (persons, 17))
    points = rng.uniform(0, 60, (persons, 17, 2))
    return GroundTruth(
        np.arange(images),
        image,
        points,
        visibility,
        np.tile([0.0, 0, 60, 60], (persons, 1)),
        rng.uniform(500, 9000, persons),
        (visibility > 0).sum(1),
        rng.random(persons) < 0.1,
        np.arange(persons),
    )


def similar(p: np.ndarray, truth: GroundTruth, person: int, joint: int) -> float:
    """COCO's similarity with a labelled joint; -1 where there is none."""
    if truth.visibility[person, joint] == 0 or truth.crowd[person]:
        return -1.0
    d2 = float(((p - truth.keypoints[person, joint]) ** 2).sum())
    return math.exp(-d2 / (2 * truth.area[person] * (2 * SIGMAS[joint]) ** 2))


def plain_kind(truth: GroundTruth, poses: np.ndarray, person: int, joint: int) -> int:
    """PROTOCOL section 11, one joint at a time."""
    if truth.visibility[person, joint] == 0 or truth.crowd[person]:
        return NO_JOINT
    if not np.isfinite(poses[person]).all():
        return LOST
    p, other_side = poses[person, joint], COCO.flip_indices[joint]
    own = similar(p, truth, person, joint)
    if own >= 0.85:
        return GOOD
    if own >= 0.5:
        return JITTER
    inverted = similar(p, truth, person, other_side) if other_side != joint else -1.0
    swapped = -1.0
    for other in range(len(truth)):
        if other != person and truth.image[other] == truth.image[person]:
            swapped = max(swapped, similar(p, truth, other, joint), similar(p, truth, other, other_side))
    if inverted >= 0.5 and inverted >= swapped:
        return INVERSION
    return SWAP if swapped >= 0.5 else MISS


@pytest.mark.parametrize("seed", range(12))
def test_kinds_equal_the_definition_joint_by_joint(seed: int) -> None:
    truth = world(seed)
    rng = np.random.default_rng(seed + 100)
    near = truth.keypoints + rng.normal(0, 4, truth.keypoints.shape)
    other = truth.keypoints[rng.permutation(len(truth))][:, MIRROR] + rng.normal(0, 2, truth.keypoints.shape)
    poses = np.where(rng.random((len(truth), 17, 1)) < 0.5, near, other)
    poses[rng.random(len(truth)) < 0.15] = np.nan
    expected = [[plain_kind(truth, poses, g, k) for k in range(17)] for g in range(len(truth))]
    found = error_kinds(truth, poses, SIGMAS, MIRROR)
    np.testing.assert_array_equal(found, expected)


def test_the_worlds_have_every_kind() -> None:
    found: set[int] = set()
    for seed in range(12):
        truth = world(seed)
        rng = np.random.default_rng(seed)
        poses = truth.keypoints[rng.permutation(len(truth))][:, MIRROR] + rng.normal(0, 6, truth.keypoints.shape)
        poses[0] = truth.keypoints[0, MIRROR]
        poses[1] = np.nan
        found |= set(error_kinds(truth, poses, SIGMAS, MIRROR).ravel().tolist())
    assert found == {NO_JOINT, *range(len(KINDS))}


def apart() -> GroundTruth:
    """One person with every joint labelled, far from each other."""
    points = np.stack([np.arange(17) * 100.0, np.zeros(17)], axis=1)[None]
    ones = np.ones(1)
    return GroundTruth(
        np.array([7]),
        np.array([7]),
        points,
        np.full((1, 17), 2),
        np.zeros((1, 4)),
        ones * 900,
        ones * 17,
        np.zeros(1, bool),
        np.array([1]),
    )


def test_left_and_right_changed_turns_good_into_inversion() -> None:
    truth = apart()
    right = error_kinds(truth, truth.keypoints, SIGMAS, MIRROR)
    mirrored = error_kinds(truth, truth.keypoints[:, MIRROR], SIGMAS, MIRROR)
    assert (right == GOOD).all()
    sided = np.arange(17) != MIRROR
    assert (mirrored[0, sided] == INVERSION).all()
    assert (mirrored[0, ~sided] == GOOD).all()  # the nose


def test_transitions_count_every_joint_once_and_clean_to_clean_is_the_identity() -> None:
    truth = world(5)
    rng = np.random.default_rng(0)
    poses = truth.keypoints + rng.normal(0, 8, truth.keypoints.shape)
    clean = error_kinds(truth, poses, SIGMAS, MIRROR)
    attacked = error_kinds(truth, poses + rng.normal(0, 8, poses.shape), SIGMAS, MIRROR)
    which = rng.random(clean.shape) < 0.6
    found = transitions(clean, attacked, which, truth.image, 3)
    assert found.sum() == (which & (clean != NO_JOINT)).sum()
    for image in range(3):
        rows = truth.image == image
        for a in range(len(KINDS)):
            for b in range(len(KINDS)):
                expected = ((clean == a) & (attacked == b) & which)[rows].sum()
                assert found[image, a, b] == expected
    same = transitions(clean, clean, which, truth.image, 3).sum(0)
    assert (same == np.diag(np.diag(same))).all()
