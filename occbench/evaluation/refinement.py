"""How well a joint is placed before and after it is refined: medians and spreads of errors, resampled by photo.

A rate (PCK, the share of windows that miss their joint) is resampled as everywhere, by :mod:`.rates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import MIN_PERSONS
from .pck import Hits
from .rates import Group, RateTable
from .stages import stage_metric

FRACTIONS = (0.02, 0.05, 0.1, 0.15, 0.2)
"""Of the torso."""

OUTLIER = 20.0
"""Px of the crop along an axis: larger errors are left out of a spread (Tompson et al., footnote of Table 1)."""

OUTSIDE = "outside window"
_AT_A_TIME = 64  # draws


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure in the data and in every draw of photos.

    Attributes:
        n: Joints that count.
        persons: Persons with such joints.
        value: NaN where none counts.
        draws: Shape (B,).
    """

    n: int
    persons: int
    value: float
    draws: np.ndarray

    def interval(self, other: Drawn | None = None, level: float = 0.95) -> tuple[float, float, float]:
        """The figure (or how much more it is than another) and its percentile interval; NaN below ten persons."""
        value = self.value - (other.value if other else 0.0)
        draws = self.draws - (other.draws if other else 0.0)
        known = draws[np.isfinite(draws)]
        if self.persons < MIN_PERSONS or not known.size:
            return value, float("nan"), float("nan")
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        return value, float(low), float(high)


def pck_tables(
    predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray, lengths: np.ndarray, keypoints: Sequence[str]
) -> list[RateTable]:
    """PCK at each of :data:`FRACTIONS`; arguments as of :func:`~.stages.stage_tables`."""
    metric = stage_metric(keypoints, "PCK", FRACTIONS)
    return [t for t in metric.tables(predicted, truth, labelled, lengths, keypoints) if t.name.startswith("PCK@")]


def outside_table(apart: np.ndarray, labelled: np.ndarray, window: int, hidden: Sequence[int] = ()) -> RateTable:
    """Which joints lie outside of the window around their coarse point, where the fine network cannot find them.

    Args:
        apart: Coarse point minus truth, shape (G, K, 2), crop px; NaN for a person without a prediction, who does not
            count.
        labelled: Shape (G, K), bool.
        window: Side, crop px.
        hidden: Joints that an attack hides; they are a group of their own, and the others are one.
    """
    counted = labelled & np.isfinite(apart).all(-1)
    outside = counted & (np.abs(np.where(np.isfinite(apart), apart, 0)).max(-1) >= window / 2)
    every = range(labelled.shape[1])
    groups: dict[str | int | None, Group] = {None: Group(tuple(every), pooled=True)}
    if hidden:
        groups["hidden"] = Group(tuple(hidden), pooled=True)
        groups["not hidden"] = Group(tuple(k for k in every if k not in hidden), pooled=True)
    return RateTable(OUTSIDE, Hits(outside, counted), groups)


def median_error(apart: np.ndarray, labelled: np.ndarray, image: np.ndarray, draws: np.ndarray) -> Drawn:
    """The median distance of labelled joints from the truth.

    Args:
        apart: Prediction minus truth, shape (G, K, 2); NaN for a person without a prediction, who does not count.
        labelled: Shape (G, K), bool.
        image: Shape (G,), int: each person's photo.
        draws: How often each photo counts, shape (B, I).
    """
    counted = labelled & np.isfinite(apart).all(-1)
    person, _ = counted.nonzero()
    errors = np.linalg.norm(apart[counted], axis=-1)
    order = np.argsort(errors, kind="stable")
    errors, photo = errors[order], image[person][order]
    persons = len(np.unique(person))
    if not errors.size:
        return Drawn(0, 0, float("nan"), np.full(len(draws), np.nan))
    found = [_weighted_medians(errors, part[:, photo]) for part in _parts(draws)]
    (value,) = _weighted_medians(errors, np.ones((1, len(errors))))
    return Drawn(len(errors), persons, float(value), np.concatenate([*found, np.empty(0)]))


def spread_x(apart: np.ndarray, labelled: np.ndarray, image: np.ndarray, draws: np.ndarray) -> Drawn:
    """The deviation of errors along x, those beyond :data:`OUTLIER` left out; arguments as of :func:`median_error`."""
    with np.errstate(invalid="ignore"):
        counted = labelled & (np.abs(apart[..., 0]) <= OUTLIER)
    x = np.where(counted, apart[..., 0], 0.0)
    sums = np.stack([counted.sum(1), x.sum(1), (x**2).sum(1)], -1).astype(np.float64)
    by_photo = np.zeros((draws.shape[1], 3))
    np.add.at(by_photo, image, sums)
    value = _deviation(by_photo.sum(0)[None])[0]
    return Drawn(int(counted.sum()), int(counted.any(1).sum()), float(value), _deviation(draws @ by_photo))


def _deviation(sums: np.ndarray) -> np.ndarray:
    n, total, squares = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
    return found


def _weighted_medians(ordered: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of values (M,) in order, under weights (B, M): shape (B,), NaN for no weight; between two, their mean."""
    share = np.cumsum(weights, axis=1, dtype=np.float64)
    whole = share[:, -1:]
    with np.errstate(invalid="ignore"):
        low = (share >= whole / 2).argmax(1)
        high = (share > whole / 2).argmax(1)
    found: np.ndarray = np.where(whole[:, 0] > 0, (ordered[low] + ordered[high]) / 2, np.nan)
    return found


def _parts(draws: np.ndarray) -> list[np.ndarray]:
    return [draws[start : start + _AT_A_TIME] for start in range(0, len(draws), _AT_A_TIME)]
