"""Natural beside synthetic occlusion: what a model loses on keypoints that something hides in the photo, and what it
loses when we hide them.

    natural = resample(prepare(truth, clean_detections, sigmas, masks=flag_masks(truth)), weights)
    hidden = [resample(prepare(truth, attacked[k], sigmas, masks=one), weights) for k in ...]
    table = natural_table(natural, clean, hidden)

The two compare different things: natural loss is between different persons (visible here, occluded there; who is
occluded is also small, crowded, turned away), synthetic loss is of the same persons. So only their ranks over the
keypoints are correlated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .bootstrap import MIN_PERSONS, Resampled
from .cells import Key
from .intervals import Method, intervals
from .pck import Hits
from .rates import Group, RateTable
from .types import GroundTruth

VISIBLE, OCCLUDED = 2, 1
"""COCO's flags."""


@dataclass(frozen=True)
class NaturalRow:
    """One keypoint, figures (AP or a rate) x 100; NaN: no such number.

    Attributes:
        keypoint: Its index.
        n_visible: Persons in whom it is annotated as visible; ``n_occluded``: as occluded.
        visible: The clean figure where it is visible; ``occluded``: where it is occluded.
        natural: Visible minus occluded, ``natural_lo`` and ``natural_hi``: its interval.
        synthetic: Clean minus attacked figure of the keypoint when it is hidden; with its interval likewise.
    """

    keypoint: int
    n_visible: int
    n_occluded: int
    visible: float
    occluded: float
    natural: float
    natural_lo: float
    natural_hi: float
    synthetic: float
    synthetic_lo: float
    synthetic_hi: float


@dataclass(frozen=True)
class NaturalTable:
    """Natural beside synthetic loss.

    Attributes:
        rows: By keypoint.
        rho: Spearman's rank correlation of the two losses over the keypoints that have both; with its interval.
        n: How many keypoints those are.
    """

    rows: tuple[NaturalRow, ...]
    rho: float
    rho_lo: float
    rho_hi: float
    n: int


def flag_keys(keypoints: int) -> list[tuple[str, str]]:
    """The names of the masks of each keypoint: where it is visible, and where it is occluded."""
    return [(f"{k}:visible", f"{k}:occluded") for k in range(keypoints)]


def flag_masks(truth: GroundTruth) -> dict[Key, np.ndarray | None]:
    """For AP: each keypoint where it is annotated as visible, then where as occluded; each mask (G, K), bool."""
    masks: dict[Key, np.ndarray | None] = {}
    for k, names in enumerate(flag_keys(truth.k)):
        for name, flag in zip(names, (VISIBLE, OCCLUDED), strict=True):
            mask = np.zeros(truth.visibility.shape, dtype=bool)
            mask[:, k] = truth.visibility[:, k] == flag
            masks[name] = mask
    return masks


def flag_table(table: RateTable, visibility: np.ndarray) -> RateTable:
    """For rates: a table of joints, split into the visible and the occluded ones.

    Args:
        table: Its columns are the K keypoints.
        visibility: Shape (G, K), int: COCO's flags.
    """
    keypoints = visibility.shape[1]
    parts = [
        Hits(table.hits.hit & (visibility == f), table.hits.counted & (visibility == f)) for f in (VISIBLE, OCCLUDED)
    ]
    hits = Hits(*(np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("hit", "counted")))
    groups: dict[Key, Group] = {}
    for k, (visible, occluded) in enumerate(flag_keys(keypoints)):
        groups |= {visible: Group((k,)), occluded: Group((keypoints + k,))}
    return RateTable(table.name, hits, groups)


def natural_table(
    natural: Resampled,
    clean: Resampled,
    hidden: Sequence[Resampled | None],
    level: float = 0.95,
    method: Method = "percentile",
) -> NaturalTable:
    """Put the two losses side by side.

    Args:
        natural: The clean cell under :func:`flag_masks` or :func:`flag_table`.
        clean: The clean cell; its keys include each keypoint's index.
        hidden: By keypoint the cell in which it is hidden, with the same keys and draws as ``clean``; None for one
            that was not attacked.
        level: Coverage aimed at.
        method: Of the intervals.

    Raises:
        ValueError: The cells were resampled with different draws.
    """
    k = len(hidden)
    cells = [natural, clean, *(cell for cell in hidden if cell is not None)]
    if any(not np.array_equal(cell.weights.draws, clean.weights.draws) for cell in cells):
        raise ValueError("the cells were resampled with different draws; use one Weights for all")
    seen, gone = (np.array([natural.keys.index(names[i]) for names in flag_keys(k)], dtype=np.int64) for i in (0, 1))
    enough = (natural.n[seen] >= MIN_PERSONS) & (natural.n[gone] >= MIN_PERSONS)
    at = [clean.keys.index(i) for i in range(k)]
    losses = [
        _Loss(
            natural.ap[seen] - natural.ap[gone],
            natural.draws[:, seen] - natural.draws[:, gone],
            natural.leave_out[:, seen] - natural.leave_out[:, gone],
            enough,
        ),
        _Loss(
            _dropped("ap", clean, hidden, at),
            _dropped("draws", clean, hidden, at),
            _dropped("leave_out", clean, hidden, at),
            clean.n[at] >= MIN_PERSONS,
        ),
    ]
    images = [np.minimum(natural.images[seen], natural.images[gone]), clean.images[at]]
    found = [
        intervals(np.where(x.enough, 100 * x.value, np.nan), 100 * x.draws, 100 * x.leave_out, m, level, method)
        for x, m in zip(losses, images, strict=True)
    ]
    rows = tuple(
        NaturalRow(
            i,
            int(natural.n[seen[i]]),
            int(natural.n[gone[i]]),
            float(100 * natural.ap[seen[i]]),
            float(100 * natural.ap[gone[i]]),
            *(float(v) for x, f in zip(losses, found, strict=True) for v in (100 * x.value[i], f.lo[i], f.hi[i])),
        )
        for i in range(k)
    )
    both = losses[0].enough & losses[1].enough & np.isfinite(losses[0].value) & np.isfinite(losses[1].value)
    rho, lo, hi = _correlation(losses, both, len(clean.weights.draws.T), level, method)
    return NaturalTable(rows, rho, lo, hi, int(both.sum()))


@dataclass(frozen=True, eq=False)
class _Loss:
    """By keypoint: value (K,), draws (B, K), jackknife (J, K), and whether enough persons stand behind it (K,)."""

    value: np.ndarray
    draws: np.ndarray
    leave_out: np.ndarray
    enough: np.ndarray


def _dropped(name: str, clean: Resampled, hidden: Sequence[Resampled | None], at: list[int]) -> np.ndarray:
    """Clean minus attacked of each keypoint; shape (..., K)."""
    before: np.ndarray = getattr(clean, name)
    columns = [
        before[..., column] - (np.nan if cell is None else getattr(cell, name)[..., cell.keys.index(i)])
        for i, (column, cell) in enumerate(zip(at, hidden, strict=True))
    ]
    return np.stack(columns, axis=-1)


def _correlation(
    losses: Sequence[_Loss], both: np.ndarray, images: int, level: float, method: Method
) -> tuple[float, float, float]:
    """Spearman's rho over the keypoints ``both``, and the interval of it over the draws; NaN with fewer than three."""
    if both.sum() < 3:
        return float("nan"), float("nan"), float("nan")

    def rho(name: str) -> np.ndarray:
        pair = [np.atleast_2d(getattr(loss, name))[:, both] for loss in losses]
        return np.array([_spearman(x, y) for x, y in zip(*pair, strict=True)]).reshape(-1, 1)

    value = rho("value")[0]
    if not len(losses[0].draws):
        return float(value[0]), float("nan"), float("nan")
    found = intervals(value, rho("draws"), rho("leave_out"), np.array([images]), level, method)
    # The widened quantiles may not leave what a correlation can be.
    return float(value[0]), float(np.clip(found.lo[0], -1, 1)), float(np.clip(found.hi[0], -1, 1))


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of the ranks, ties sharing theirs; NaN where a side is constant or not a number."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return float("nan")
    a, b = (stats.rankdata(side) - (len(side) + 1) / 2 for side in (x, y))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else float("nan")
