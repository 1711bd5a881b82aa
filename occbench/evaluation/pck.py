"""Rates of correct keypoints and limbs: PCK, PCKh, PDJ and PCP, for one prediction per annotated person.

PCK@a: a keypoint is correct when it is nearer to the truth than a times a length of the person: the longer side of the
box (PCK), the torso (PCK on LSP; as a function of a this is DeepPose's PDJ curve), the head segment (PCKh on MPII).
PCP@0.5: a limb is correct when both predicted ends are within half its length of the true ends; the looser variant in
use, which DeepPose names in a footnote, asks that of their average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MPII_UNCOUNTED = (6, 7)
"""Pelvis and thorax: MPII's own mean leaves them out."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What was correct. The C columns are keypoints or limbs.

    Attributes:
        hit: Shape (N, C), bool: correct.
        counted: Shape (N, C), bool: labelled, and the person's length of reference known and above 0.
    """

    hit: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True, eq=False)
class Rates:
    """Shares of correct keypoints or limbs, in 0 to 1; NaN where none counted.

    Attributes:
        n: Shape (C,), int: persons that counted in each column.
        rate: Shape (C,), float64.
        mean: Mean of the columns' rates, each column alike: MMPose's PCK.
        pooled: Share of all that counted, so a column weighs by its ``n``: MPII's mean.
    """

    n: np.ndarray
    rate: np.ndarray
    mean: float
    pooled: float


def pck_hits(
    predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray, length: np.ndarray, threshold: float
) -> Hits:
    """Keypoints nearer to the truth than ``threshold`` times a length of the person.

    Args:
        predicted: Shape (N, K, 2), float64, any px, the same as the truth's.
        truth: Shape (N, K, 2), float64.
        labelled: Shape (N, K), bool.
        length: Shape (N,): of the box, torso or head, in the same px. A person with NaN or no length does not count.
        threshold: Fraction of the length.

    Raises:
        ValueError: Arrays that do not belong together.
    """
    known = _usable(predicted, truth, labelled, length)
    distance = np.linalg.norm((predicted - truth) / np.where(known, length, 1)[:, None, None], axis=2)
    # Compared in single precision, as MMPose has it: a distance that is the threshold but for rounding is a miss.
    near = distance.astype(np.float32) < np.float32(threshold)
    counted = labelled.astype(bool) & known[:, None]
    return Hits(near & counted, counted)


def pcp_hits(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    limbs: np.ndarray,
    fraction: float = 0.5,
    loose: bool = False,
) -> Hits:
    """Limbs whose ends are found within a fraction of the limb's length.

    Args:
        predicted: Shape (N, K, 2), float64, any px, the same as the truth's.
        truth: Shape (N, K, 2), float64.
        labelled: Shape (N, K), bool; a limb counts when both ends are labelled and its length is above 0.
        limbs: Shape (L, 2), int: the keypoints at the ends of each limb.
        fraction: Of the true limb's length.
        loose: Ask it of the average of the two distances, not of each.

    Raises:
        ValueError: Arrays that do not belong together.
    """
    limbs = np.asarray(limbs)
    _usable(predicted, truth, labelled, np.ones(len(truth)))
    ends = truth[:, limbs]  # (N, L, 2 ends, 2)
    length = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2)
    distance = np.linalg.norm(predicted[:, limbs] - ends, axis=3)
    far = distance.mean(axis=2) if loose else distance.max(axis=2)
    counted = labelled.astype(bool)[:, limbs].all(axis=2) & (length > 0)
    return Hits((far <= fraction * length) & counted, counted)


def box_length(bbox: np.ndarray) -> np.ndarray:
    """The longer side of each box (x, y, width, height). Shape: (N,)."""
    return np.asarray(bbox)[:, 2:].max(axis=1)


def torso_length(truth: np.ndarray, labelled: np.ndarray, shoulder: int, hip: int) -> np.ndarray:
    """Distance from a shoulder to the hip of the other side; NaN where either is not labelled. Shape: (N,)."""
    length = np.linalg.norm(truth[:, shoulder] - truth[:, hip], axis=1)
    return np.where(labelled[:, shoulder].astype(bool) & labelled[:, hip].astype(bool), length, np.nan)


def rates(hits: Hits) -> Rates:
    """The shares of what was correct."""
    n, hit = hits.counted.sum(axis=0), hits.hit.sum(axis=0)
    with np.errstate(invalid="ignore"):
        rate = hit / n
    seen = rate[n > 0]
    mean = float(seen.mean()) if seen.size else float("nan")
    return Rates(n, rate, mean, float(hit.sum() / n.sum()) if n.sum() else float("nan"))


def mpii_rates(hits: Hits) -> Rates:
    """Rates of the 16 MPII joints; ``mean`` and ``pooled`` are without pelvis and thorax, as MPII has them."""
    columns = np.setdiff1d(np.arange(hits.hit.shape[1]), MPII_UNCOUNTED)
    whole, part = rates(hits), rates(Hits(hits.hit[:, columns], hits.counted[:, columns]))
    return Rates(whole.n, whole.rate, part.mean, part.pooled)


def pdj_curve(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    torso: np.ndarray,
    fractions: np.ndarray,
) -> np.ndarray:
    """Share of detected joints as a function of the fraction of the torso allowed. Shape: (F, K), NaN if none counts.

    Args:
        predicted: Shape (N, K, 2); ``truth``, ``labelled`` and ``torso`` (the length) as for `pck_hits`.
        fractions: Shape (F,), e.g. ``np.linspace(0, 0.5, 51)``.
    """
    return np.stack([rates(pck_hits(predicted, truth, labelled, torso, f)).rate for f in fractions])


def _usable(predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Check the shapes; return which persons have a length. Shape: (N,), bool."""
    if predicted.shape != truth.shape or labelled.shape != truth.shape[:2] or length.shape != truth.shape[:1]:
        raise ValueError(
            f"shapes do not belong together: predicted {predicted.shape}, truth {truth.shape}, "
            f"labelled {labelled.shape}, length {length.shape}"
        )
    with np.errstate(invalid="ignore"):
        return np.asarray(length > 0)
