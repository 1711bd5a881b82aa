"""Intervals over photos and over replicates (trainings with other seeds) at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Replicated:
    """A mean over replicates, in the unit of the values; NaN: no such number.

    Attributes:
        value: The mean.
        lo: Lower end of the interval; ``hi``: upper end.
        se: Standard error, of both sources together.
        se_photos: What of it other photos would bring; ``se_replicates``: what other seeds would bring.
        replicates: How many there are.
    """

    value: float
    lo: float
    hi: float
    se: float
    se_photos: float
    se_replicates: float
    replicates: int


def over_replicates(values: np.ndarray, draws: np.ndarray, images: int, level: float = 0.95) -> Replicated:
    """The mean of a quantity over replicates that were measured on the same photos.

    The two sources of chance are crossed: every replicate sees every photo. The photos' share is the bootstrap's spread
    of the mean over the replicates, all of them under the same draws; the replicates' share is their sample variance,
    divided by their number. The two add up (what photos and seeds do together is counted twice, which makes the
    interval too wide rather than too narrow), with Student's t of Satterthwaite's degrees of freedom. With one
    replicate the photos alone speak, and ``se_replicates`` is NaN.

    Args:
        values: Shape (S,): the quantity in the data, by replicate.
        draws: Shape (B, S): in every bootstrap draw of the photos; the same draws for every replicate.
        images: Photos that were drawn from.
        level: Coverage aimed at.

    Raises:
        ValueError: Arrays of other shapes.
    """
    values, draws = np.asarray(values, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if values.ndim != 1 or draws.ndim != 2 or draws.shape[1] != len(values) or not len(values):
        raise ValueError(f"values (S,) and draws (B, S) are needed, but got {values.shape} and {draws.shape}")
    count, freedom = len(values), max(images - 1.0, 1.0)
    mean = float(values.mean())
    drawn = draws.mean(1)
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(mean) or len(drawn) < max(2, 0.95 * len(draws)):
        nan = float("nan")
        return Replicated(mean, nan, nan, nan, nan, nan, count)
    by_photos = float(drawn.var(ddof=1)) * (1 + 1 / freedom)
    by_seeds = float(values.var(ddof=1)) / count if count > 1 else float("nan")
    both = by_photos + (0.0 if count == 1 else by_seeds)
    if count > 1 and both > 0:
        freedom = both**2 / (by_photos**2 / freedom + by_seeds**2 / (count - 1))
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * both**0.5
    return Replicated(mean, mean - half, mean + half, both**0.5, by_photos**0.5, by_seeds**0.5, count)
