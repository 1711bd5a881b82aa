"""Intervals over photos and over replicates (trainings with other seeds) at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from .intervals import LEAST_P


@dataclass(frozen=True)
class Replicated:
    """A mean over replicates, in the unit of the values; NaN: no such number.

    Attributes:
        value: The mean.
        lo: Lower end of the interval; ``hi``: upper end.
        p: Two-sided p of "the mean is 0", uncorrected: 1 minus the level at which the interval would begin to hold 0.
        se: Standard error, of both sources together.
        se_photos: What of it other photos would bring; ``se_replicates``: what other seeds would bring.
        replicates: How many there are.
    """

    value: float
    lo: float
    hi: float
    p: float
    se: float
    se_photos: float
    se_replicates: float
    replicates: int


def over_replicates(values: np.ndarray, draws: np.ndarray, images: int, level: float = 0.95) -> Replicated:
    """The mean of a quantity over replicates that were measured on the same photos.

    The two sources of chance are crossed: every replicate sees every photo. The photos' share is the bootstrap's spread
    of the mean over the replicates, all of them under the same draws; the replicates' share is their sample variance,
    divided by their number. Each share keeps its own Student's t, whose degrees of freedom are the photos' and the
    replicates' number less one: the half-width is sqrt(t2(n - 1) se2_photos + t2(S - 1) se2_replicates), where t2 is
    the squared quantile. (One t for the sum, by Satterthwaite's degrees of freedom, covers too little with two or three
    replicates: docs/coverage.md.) What photos and seeds do together is counted twice, which makes the interval too wide
    rather than too narrow. With one replicate the photos alone speak, and ``se_replicates`` is NaN.

    Args:
        values: Shape (S,): the quantity in the data, by replicate.
        draws: Shape (B, S): in every bootstrap draw of the photos; the same draws for every replicate.
        images: Photos that speak: of those drawn from, the ones with persons that count, and for a difference the ones
            that are not the same on both sides.
        level: Coverage aimed at.

    Raises:
        ValueError: Arrays of other shapes.
    """
    values, draws = _checked(values, draws)
    by_seeds = [(float(values.var(ddof=1)) / len(values), len(values) - 1)] if len(values) > 1 else []
    return _replicated(float(values.mean()), draws.mean(1), images, by_seeds, len(values), level)


def between_replicates(
    values: np.ndarray,
    draws: np.ndarray,
    base_values: np.ndarray,
    base_draws: np.ndarray,
    images: int,
    level: float = 0.95,
) -> Replicated:
    """The mean of replicates minus that of others, with which they share the photos but no seed.

    As :func:`over_replicates`, with the two variances of the replicates added; each keeps the t of its own number. A
    side with one replicate brings no variance: the answer is then about this very replicate.

    Args:
        values: Shape (S,); ``draws``: shape (B, S).
        base_values: Shape (R,); ``base_draws``: shape (B, R), the same draws of the photos.
        images: Photos that speak, likewise.
        level: Coverage aimed at.

    Raises:
        ValueError: Arrays of other shapes.
    """
    sides = [_checked(values, draws), _checked(base_values, base_draws)]
    by_seeds = [(float(v.var(ddof=1)) / len(v), len(v) - 1) for v, _ in sides if len(v) > 1]
    difference = sides[0][1].mean(1) - sides[1][1].mean(1)
    value = float(sides[0][0].mean() - sides[1][0].mean())
    return _replicated(value, difference, images, by_seeds, len(sides[0][0]), level)


def _checked(values: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, draws = np.asarray(values, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if values.ndim != 1 or draws.ndim != 2 or draws.shape[1] != len(values) or not len(values):
        raise ValueError(f"values (S,) and draws (B, S) are needed, but got {values.shape} and {draws.shape}")
    return values, draws


def _replicated(
    value: float, drawn: np.ndarray, images: int, by_seeds: list[tuple[float, int]], count: int, level: float
) -> Replicated:
    """The interval of a mean; ``by_seeds``: the variances that seeds bring, each with its degrees of freedom."""
    total, nan = len(drawn), float("nan")
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(drawn) < max(2, 0.95 * total):
        return Replicated(value, nan, nan, nan, nan, nan, nan, count)
    freedom = max(images - 1.0, 1.0)
    by_photos = float(drawn.var(ddof=1)) * (1 + 1 / freedom)
    shares = np.array([by_photos, *(variance for variance, _ in by_seeds)])
    freedoms = np.array([freedom, *(own for _, own in by_seeds)])

    def half(tail: float) -> float:
        return float(np.sqrt((scipy.stats.t.isf(tail, freedoms) ** 2 * shares).sum()))

    reach = half((1 - level) / 2)
    seeds = float(np.sqrt(shares[1:].sum())) if by_seeds else nan
    se = float(np.sqrt(shares.sum()))
    return Replicated(value, value - reach, value + reach, _p(value, se, half), se, by_photos**0.5, seeds, count)


def _p(value: float, se: float, half: Callable[[float], float]) -> float:
    """Twice the tail at which the half-width is the distance to 0; not below `LEAST_P`."""
    if se == 0:
        return 1.0 if value == 0 else LEAST_P
    if half(LEAST_P / 2) <= abs(value):
        return LEAST_P
    return 2 * float(scipy.optimize.brentq(lambda tail: half(tail) - abs(value), LEAST_P / 2, 0.5, xtol=1e-13))
