"""How well scores tell two groups apart: the area under the ROC curve, and its bootstrap over images."""

from __future__ import annotations

import numpy as np
import scipy

BINS = 512
"""Quantiles of the scores between which draws do not tell: the area changes by a thousandth at most."""


def auroc(low: np.ndarray, high: np.ndarray) -> float:
    """The chance that a score of ``high`` is above one of ``low``, ties counted half; .5 is no better than a coin.

    Args:
        low: Shape (n,), scores that should be low.
        high: Shape (m,).

    Returns:
        NaN where either is empty.
    """
    if not len(low) or not len(high):
        return float("nan")
    ranks = scipy.stats.rankdata(np.concatenate([low, high]))[len(low) :]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))


def auroc_draws(
    low: np.ndarray, low_image: np.ndarray, high: np.ndarray, high_image: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """The area in every draw of images.

    Args:
        low: As of :func:`auroc`; ``high`` likewise.
        low_image: Shape (n,), int: position of each score's image; ``high_image``: shape (m,).
        draws: Shape (B, I): how often each image counts.

    Returns:
        Shape (B,), float64; NaN where a draw has none of either.
    """
    images = draws.shape[1]
    edges = np.unique(np.quantile(np.concatenate([low, high]), np.linspace(0, 1, BINS + 1)[1:-1]))
    below, above = (
        draws.astype(np.float64) @ _histograms(scores, image, edges, images)
        for scores, image in ((low, low_image), (high, high_image))
    )
    before = np.cumsum(below, axis=1) - below
    pairs = below.sum(1) * above.sum(1)
    wins = (above * (before + below / 2)).sum(1)
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def _histograms(scores: np.ndarray, image: np.ndarray, edges: np.ndarray, images: int) -> np.ndarray:
    """Scores of each image by bin, (I, bins)."""
    bins = len(edges) + 1
    place = image * bins + np.searchsorted(edges, scores, side="right")
    return np.bincount(place, minlength=images * bins).reshape(images, bins).astype(np.float64)
