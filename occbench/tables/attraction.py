"""Whether predictions go towards the occluders (PROTOCOL section 8)."""

from __future__ import annotations

import warnings

import numpy as np


def attraction(
    clean: np.ndarray, attacked: np.ndarray, centres: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much nearer to an occluder's centre the predictions of the hidden keypoints come under the attack.

    Args:
        clean: Predictions without the attack, shape (N, K, 2), crop px.
        attacked: Under it, same shape.
        centres: Of the occluders, shape (N, M, 2), crop px: first that on the target, then those elsewhere; NaN: none.
        counted: Shape (N, K), bool: attacked persons, and keypoints that are labelled and the target's own.

    Returns:
        Mean of (distance clean - distance attacked) in crop px over the persons, towards the true occluder and towards
        those elsewhere: shape (1 + K,) each, first over all counted keypoints; NaN where there are none.
    """
    found = nearer(clean, attacked, centres, counted)
    return _means(found[..., :1]), _means(found[..., 1:])


def nearer(clean: np.ndarray, attacked: np.ndarray, centres: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Distance clean - distance attacked of every keypoint to every occluder's centre, shape (N, K, M), crop px.

    Arguments as of :func:`attraction`; NaN where a keypoint is not counted or there is no such occluder.
    """

    def distance(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, :, None] - centres[:, None], axis=-1)

    return np.where(counted[..., None], distance(clean) - distance(attacked), np.nan)


def _means(values: np.ndarray) -> np.ndarray:
    """Over everything, then by keypoint; a person with several decoys counts once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN
        by_person = np.nanmean(values, axis=-1) if values.shape[-1] else np.full(values.shape[:2], np.nan)
        return np.concatenate([[np.nanmean(by_person)], np.nanmean(by_person, axis=0)])
