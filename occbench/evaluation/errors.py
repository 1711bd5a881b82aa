"""What kind of error each predicted joint is, and what the kinds turn into (PROTOCOL section 11).

The kinds are those of Ronchi and Perona (ICCV 2017); ``lost`` is ours. Where their code calls a joint by the largest
of all similarities, PROTOCOL goes by the joint's own similarity first.
"""

from __future__ import annotations

import numpy as np

from .oks import keypoint_similarity
from .types import GroundTruth

KINDS = ("good", "jitter", "inversion", "swap", "miss", "lost")
GOOD, JITTER, INVERSION, SWAP, MISS, LOST = range(len(KINDS))
NO_JOINT = -1
"""Of a joint that is not labelled."""

CLOSE, NEAR = 0.85, 0.5
"""Similarities from which a joint is good, and from which it is at a place at all."""


def error_kinds(truth: GroundTruth, poses: np.ndarray, sigmas: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The kind of error of every labelled joint.

    Args:
        truth: Annotated persons.
        poses: Shape (G, K, 2), image px: the predicted pose of each person; NaN for one that nothing is matched to.
        sigmas: Shape (K,).
        mirror: Shape (K,), int: the joint of the other side, or the joint itself.

    Returns:
        Shape (G, K), int8: positions in :data:`KINDS`; :data:`NO_JOINT` where the joint is not labelled, or of a
        crowd.
    """
    labelled = (truth.visibility > 0) & ~truth.crowd[:, None]
    found = np.isfinite(poses).all((1, 2))
    kinds = np.full(labelled.shape, NO_JOINT, np.int8)
    kinds[labelled] = MISS
    for rows in _together(truth.image):
        here = rows[found[rows]]
        same, other = _similarities(truth, poses, labelled, sigmas, mirror, here, rows)
        own = np.arange(len(here)), np.searchsorted(rows, here)
        itself = same[own]
        inverted = np.where(mirror != np.arange(len(mirror)), other[own], -1.0)
        elsewhere = np.maximum(same, other)
        elsewhere[own] = -1.0
        swapped = elsewhere.max(1, initial=-1.0)
        kind = np.full(itself.shape, MISS, np.int8)
        kind[swapped >= NEAR] = SWAP
        kind[(inverted >= NEAR) & (inverted >= swapped)] = INVERSION
        kind[itself >= NEAR] = JITTER
        kind[itself >= CLOSE] = GOOD
        kinds[here] = np.where(labelled[here], kind, NO_JOINT)
    kinds[~found] = np.where(labelled[~found], LOST, NO_JOINT)
    return kinds


def _together(image: np.ndarray) -> list[np.ndarray]:
    """The rows of each image, rising."""
    order = np.argsort(image, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []


def _similarities(
    truth: GroundTruth,
    poses: np.ndarray,
    labelled: np.ndarray,
    sigmas: np.ndarray,
    mirror: np.ndarray,
    predicted: np.ndarray,
    persons: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """How near each predicted joint is to the same and to the mirror joint of each person; -1 where that is not
    labelled.

    Returns:
        Two arrays of shape (P, N, K), float64, for P predicted and N persons of an image.
    """
    p, n, k = len(predicted), len(persons), len(mirror)
    at = np.broadcast_to(poses[predicted][:, None], (p, n, k, 2)).reshape(p * n, k, 2)
    area = np.tile(truth.area[persons], p)
    found = []
    for joints in (np.arange(k), mirror):
        target = np.broadcast_to(truth.keypoints[persons][None, :, joints], (p, n, k, 2)).reshape(p * n, k, 2)
        similar = keypoint_similarity(at, target, sigmas, area).reshape(p, n, k)
        found.append(np.where(labelled[persons][None, :, joints], similar, -1.0))
    return found[0], found[1]


def transitions(
    clean: np.ndarray, attacked: np.ndarray, which: np.ndarray, image: np.ndarray, images: int
) -> np.ndarray:
    """How many joints of each image go from each kind to each.

    Args:
        clean: Shape (G, K), int8, of :func:`error_kinds`.
        attacked: The same, of the attacked cell.
        which: Shape (G, K), bool: joints that count, as far as they are labelled.
        image: Shape (G,), int: position of each person's image.
        images: How many images there are.

    Returns:
        Shape (images, 6, 6), int: from the kind of the second axis to that of the third.
    """
    counted = which & (clean != NO_JOINT)
    rows = np.broadcast_to(image[:, None], clean.shape)[counted]
    size = len(KINDS)
    flat = (rows * size + clean[counted]) * size + attacked[counted]
    return np.bincount(flat, minlength=images * size * size).reshape(images, size, size)
