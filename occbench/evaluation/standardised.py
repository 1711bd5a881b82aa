"""Where a keypoint is visible and where it is occluded are different persons: comparing them as if they were alike.

Occluded persons are smaller and have fewer labelled keypoints. So the visible ones are weighted until, over strata of
size and number of labelled keypoints, they are distributed as the occluded ones (direct standardisation): what is left
of the difference is not of these two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bootstrap import Weights
from .matching import THRESHOLDS, Matches, bit
from .types import GroundTruth

AREA_BINS, LABEL_BINS = 4, 3
"""Strata: quartiles of the area times thirds of the number of labelled keypoints."""
_DRAWS_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Compared:
    """Figures of one keypoint over comparable persons, in 0 to 1; first in the data, then in every draw. NaN: none.

    Attributes:
        visible: Shape (1 + B,), float64: of the visible ones, weighted as the occluded ones are distributed.
        occluded: Shape (1 + B,), float64: of the occluded ones in whose stratum there are visible ones.
    """

    visible: np.ndarray
    occluded: np.ndarray


def strata(truth: GroundTruth, persons: np.ndarray) -> np.ndarray:
    """The stratum of each person. Shape: (G,), int from 0 to AREA_BINS * LABEL_BINS - 1.

    Args:
        truth: Annotated persons.
        persons: Shape (G,), bool: those that the quantiles are taken of, at least one.
    """
    found = np.zeros(len(truth), dtype=np.int64)
    for values, bins in ((truth.area, AREA_BINS), (np.count_nonzero(truth.visibility, axis=1), LABEL_BINS)):
        edges = np.quantile(values[persons], np.arange(1, bins) / bins)
        found = found * bins + np.searchsorted(edges, values, side="right")
    return found


def person_weights(
    truth: GroundTruth, visible: np.ndarray, occluded: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much each visible and each occluded person counts, so that their strata are distributed alike.

    Args:
        truth: Annotated persons.
        visible: Shape (G,), bool; ``occluded`` likewise.
        times: Shape (B, I): how often each image counts.

    Returns:
        Of the visible and of the occluded persons, shape (B, G) each, float64: 0 for all others.
    """
    drawn = times[:, np.searchsorted(truth.image_ids, truth.image)].astype(np.float64)
    if not (visible.any() and occluded.any()):
        return np.zeros_like(drawn), np.zeros_like(drawn)
    member = np.eye(AREA_BINS * LABEL_BINS)[strata(truth, visible | occluded)]
    seen, gone = ((drawn * who) @ member for who in (visible, occluded))
    there = (seen > 0) & (gone > 0)
    share = np.divide(gone, seen, out=np.zeros_like(gone), where=there)
    return drawn * visible * (share @ member.T), drawn * occluded * (there.astype(float) @ member.T)


def compared_areas(
    truth: GroundTruth, matches: Matches, masks: tuple[int, int], keypoint: int, weights: Weights
) -> Compared:
    """Exact APs of a keypoint over comparable persons.

    Args:
        truth: Annotated persons.
        matches: Of detections that all belong to somebody.
        masks: Which of the masks are of the visible and of the occluded ones.
        keypoint: Its index.
        weights: The draws.
    """
    flags = np.where(truth.crowd | (truth.num_keypoints == 0), 0, truth.visibility[:, keypoint])
    found: list[list[np.ndarray]] = [[], []]
    times = np.concatenate([np.ones((1, weights.draws.shape[1]), weights.draws.dtype), weights.draws])
    for low in range(0, len(times), _DRAWS_AT_ONCE):
        both = person_weights(truth, flags == 2, flags == 1, times[low : low + _DRAWS_AT_ONCE])
        for areas, mask, each in zip(found, masks, both, strict=True):
            areas.append(_weighted_area(matches, mask, each))
    return Compared(*(np.concatenate(areas) for areas in found))


def compared_rates(
    truth: GroundTruth, hit: np.ndarray, counted: np.ndarray, keypoint: int, weights: Weights
) -> Compared:
    """Rates of a keypoint over comparable persons; ``hit`` and ``counted``: shape (G,), bool. See `compared_areas`."""
    flags = np.where(counted, truth.visibility[:, keypoint], 0)
    times = np.concatenate([np.ones((1, weights.draws.shape[1]), weights.draws.dtype), weights.draws])
    with np.errstate(invalid="ignore"):
        return Compared(
            *(each @ hit / each.sum(axis=1) for each in person_weights(truth, flags == 2, flags == 1, times))
        )


def _weighted_area(matches: Matches, mask: int, persons: np.ndarray) -> np.ndarray:
    """Exact AP where a person, and the prediction that is theirs, counts as given by (B, G). Shape: (B,)."""
    right, wrong = matches.right[mask], matches.wrong[mask]
    judged = np.flatnonzero((right | wrong) & np.bitwise_or.reduce([bit(t, 0) for t in range(len(THRESHOLDS))]))
    each = persons[:, matches.owner[judged]]
    total = np.zeros(len(persons))
    for t in range(len(THRESHOLDS)):
        gain = each * (right[judged] & bit(t, 0) != 0)
        found, seen = gain.cumsum(axis=1), (each * ((right | wrong)[judged] & bit(t, 0) != 0)).cumsum(axis=1)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        total += (gain * np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]).sum(axis=1)
    number = persons.sum(axis=1) * len(THRESHOLDS)
    return np.divide(total, number, out=np.full(len(persons), np.nan), where=number > 0)
