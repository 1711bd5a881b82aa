"""Confidence intervals and p-values from bootstrap draws, and Holm's correction for many tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy
from numpy.typing import ArrayLike

Method = Literal["student", "percentile", "bca"]

MIN_PHOTOS = 6
"""With fewer photos changed there is no interval: a few that happen to change the same way would exclude 0."""
ALPHA = 0.05
LEAST_P = 1e-6
"""The tails are those of Student's t, which nobody knows further out: this stands for itself and for any smaller p."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of M quantities, each array of shape (M,), in the unit of the quantity; NaN: no such number.

    Attributes:
        value: The estimates.
        lo: Lower ends; ``hi``: upper ends.
        se: Standard errors.
        p: Two-sided p-values of "the quantity is 0", uncorrected, see `p_of_zero`.
    """

    value: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    se: np.ndarray
    p: np.ndarray


def intervals(
    value: np.ndarray,
    draws: np.ndarray,
    leave_out: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
    method: Method = "percentile",
    changed: np.ndarray | None = None,
) -> Intervals:
    """Intervals from bootstrap draws.

    For a figure the percentile interval is the default, for a difference Student's t, value -+ t x standard error,
    of which the end on the long side of skewed draws is moved out, as far as Johnson (1978) moves both. To move the
    other one in with it, as he does, excludes 0 far too often where a few photos carry a difference and happen to
    change the same way, and so does the percentile interval. BCa's correction of bias overcorrects for AP and covers
    less, the more so the fewer the persons (docs/coverage.md). Where an interval by "student" excludes 0, p is below
    1 - level.

    Args:
        value: Shape (M,): the estimates from the data themselves.
        draws: Shape (B, M): the estimates from each draw; NaN where a draw left nothing to estimate from.
        leave_out: Shape (J, M): the jackknife's, for the acceleration of BCa; not needed for "percentile".
        clusters: Shape (M,), int: images with something to estimate from. The bootstrap's spread is that of a sample
            plugged in for its population, too small by (m - 1) / m, and its tails are the normal's; with m known both
            are put right, by wider quantiles (Hesterberg's expanded percentile interval, 2015) and Student's t for p.
        level: Coverage aimed at.
        method: "percentile", "student", or "bca" (Efron 1987: corrects for bias and skewness).
        changed: Shape (M,), int, for differences of paired cells: images that are not the same in both. They alone
            speak, so Student's t is that of their number, and below `MIN_PHOTOS` of them there is no interval.

    Raises:
        ValueError: An unknown method, or BCa without a jackknife.
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
    if method == "bca" and leave_out is None:
        raise ValueError("BCa needs the jackknife's estimates (leave_out)")
    lo, hi, se = (np.full(len(value), np.nan) for _ in range(3))
    freedom = np.full(len(value), np.inf) if clusters is None else np.maximum(clusters - 1.0, 1.0)
    widening = np.sqrt(1 + 1 / freedom)
    if changed is not None:
        freedom = np.minimum(freedom, np.maximum(changed - 1.0, 1.0))
        value = np.where(changed >= MIN_PHOTOS, value, np.nan)
    t = scipy.stats.t.ppf([(1 - level) / 2, (1 + level) / 2], freedom[:, None])
    for m, estimate in enumerate(value):
        drawn = draws[np.isfinite(draws[:, m]), m]
        # A quantity that many draws cannot even define has no interval worth the name.
        if not np.isfinite(estimate) or len(drawn) < max(2, 0.95 * len(draws)):
            continue
        se[m] = drawn.std(ddof=1) * widening[m]
        if method == "student":
            lo[m], hi[m] = estimate + se[m] * (t[m] + _moved_out(drawn, t[m]))
        else:
            z = widening[m] * t[m]
            levels = scipy.stats.norm.cdf(z)
            if method == "bca" and leave_out is not None:
                levels = _bca_levels(estimate, drawn, leave_out[:, m], z)
            lo[m], hi[m] = np.quantile(drawn, levels)
    return Intervals(value, lo, hi, se, p_of_zero(value, se, freedom, changed))


def p_of_zero(
    value: np.ndarray, se: np.ndarray, freedom: np.ndarray | float = np.inf, changed: np.ndarray | None = None
) -> np.ndarray:
    """Two-sided p of "the quantity is 0", by Student's t with the bootstrap's standard error.

    Counting draws beyond 0 instead could not give less than 2 / (B + 1), which no correction over the thousand tests
    of a report would leave significant. It is a bound where it is as small as can be: `LEAST_P`, and 2 / 2**m where m
    images changed, for so often all of them change the same way by chance.

    Args:
        value: Shape (M,); ``se``: shape (M,); ``freedom``: of Student's t, shape (M,) or one number.
        changed: Shape (M,), int: images that changed; None where that is not asked.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.maximum(2 * scipy.stats.t.sf(np.abs(value) / se, freedom), LEAST_P)
    if changed is not None:
        p = np.maximum(p, np.minimum(2.0 ** (1 - np.minimum(changed, 1000.0)), 1.0))
    # No spread and no difference: the two cells are the same, and nothing speaks against 0.
    return np.where((se == 0) & (value == 0), 1.0, np.where(np.isfinite(se), p, np.nan))


def distinguishable(lo: ArrayLike, hi: ArrayLike, p: ArrayLike) -> np.ndarray:
    """The one rule of what can be told from chance: the interval leaves 0 out and p, corrected, is below 0.05.

    Tables, console, reports and comparisons go by it.

    Args:
        lo: Lower ends of the 95 % intervals, any shape; ``hi``: upper ends; ``p``: p-values. NaN: not told from chance.

    Returns:
        The same shape, bool.
    """
    return ((np.asarray(lo) > 0) | (np.asarray(hi) < 0)) & (np.asarray(p) < ALPHA)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction over a family of tests; NaN stays NaN and is no member of the family.

    Args:
        p: Any shape: uncorrected p-values.

    Returns:
        The same shape: corrected p-values, at most 1.
    """
    p = np.asarray(p, dtype=np.float64)
    result = np.full(p.shape, np.nan)
    members = np.flatnonzero(np.isfinite(p))
    order = members[np.argsort(p.flat[members], kind="stable")]
    steps = np.maximum.accumulate(p.flat[order] * np.arange(len(order), 0, -1))
    result.flat[order] = np.minimum(steps, 1.0)
    return result


def holm_by_family(p: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Holm's correction within each family of tests.

    Args:
        p: Shape (N,): uncorrected p-values.
        family: Shape (N,): names.

    Returns:
        Shape (N,).
    """
    p, family = np.asarray(p, dtype=np.float64), np.asarray(family)
    result = np.full(p.shape, np.nan)
    for name in np.unique(family):
        result[family == name] = holm(p[family == name])
    return result


def _moved_out(drawn: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Johnson's (1978) correction of Student's t for skewness, for the end that it moves away from the estimate alone.

    Args:
        drawn: Shape (B,).
        t: Shape (2,): the quantiles of the ends.

    Returns:
        Shape (2,), in standard errors: at most 0, at least 0.
    """
    apart = drawn - drawn.mean()
    power = float((apart**2).mean())
    skewness = float((apart**3).mean()) / power**1.5 if power > 1e-20 else 0.0
    moved = skewness * (1 / 6 + t**2 / 3)
    return np.array([min(moved[0], 0.0), max(moved[1], 0.0)])


def _bca_levels(estimate: float, drawn: np.ndarray, leave_out: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Quantile levels that BCa takes in place of those of z, the normal quantiles of the tails. Shape: (2,)."""
    below = (np.count_nonzero(drawn < estimate) + 0.5 * np.count_nonzero(drawn == estimate)) / len(drawn)
    edge = 0.5 / len(drawn)
    bias = scipy.stats.norm.ppf(np.clip(below, edge, 1 - edge))
    influence = np.nanmean(leave_out) - leave_out[np.isfinite(leave_out)]
    power = float((influence**2).sum())
    skew = float((influence**3).sum()) / (6 * power**1.5) if power > 1e-20 else 0.0
    z = bias + z
    room = 1 - skew * z
    # Past the pole of the transformation the corrected level runs off to the end of the draws.
    levels = np.where(room > 0, scipy.stats.norm.cdf(bias + z / np.where(room > 0, room, 1)), (z > 0).astype(float))
    return np.asarray(levels)
