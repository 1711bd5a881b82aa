"""Natural beside synthetic occlusion: what a model loses on keypoints that something hides in the photo, and what it
loses when we hide them.

    natural = resample(prepare(truth, owned(truth, clean_detections, sigmas), sigmas, masks=flag_masks(truth)), weights)
    hidden = [resample(prepare(truth, attacked[k], sigmas, masks=one), weights) for k in ...]
    table = natural_table(natural, alike, clean, hidden, groups)

The two compare different things: natural loss is between different persons (visible here, occluded there; who is
occluded is also small, crowded, turned away), synthetic loss is of the same persons. So natural loss is also given over
persons of like size and number of labelled keypoints (`standardised`), and what is correlated over the keypoints is the
ranks of relative losses (a figure that is low to begin with cannot lose much), left and right averaged, as they are no
independent cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from .bootstrap import MIN_PERSONS, Resampled
from .cells import Key
from .intervals import Method, intervals
from .pck import Hits
from .rates import Group, RateTable
from .signatures import changed_images
from .standardised import Compared
from .types import GroundTruth

VISIBLE, OCCLUDED = 2, 1
"""COCO's flags."""
PERMUTATIONS = 9999
"""Behind the p of the rank correlation; all of them where there are no more."""


@dataclass(frozen=True)
class NaturalRow:
    """One keypoint, figures (AP or a rate) x 100; NaN: no such number.

    Attributes:
        keypoint: Its index.
        n_visible: Persons in whom it is annotated as visible; ``n_occluded``: as occluded.
        visible: The clean figure where it is visible; ``occluded``: where it is occluded.
        natural: Visible minus occluded, ``natural_lo`` and ``natural_hi``: its interval; ``natural_p``: for no loss.
        standardised: The same, over persons of like size and number of labelled keypoints.
        synthetic: Clean minus attacked figure of the keypoint when it is hidden; likewise.
    """

    keypoint: int
    n_visible: int
    n_occluded: int
    visible: float
    occluded: float
    natural: float
    natural_lo: float
    natural_hi: float
    natural_p: float
    standardised: float
    standardised_lo: float
    standardised_hi: float
    standardised_p: float
    synthetic: float
    synthetic_lo: float
    synthetic_hi: float
    synthetic_p: float


@dataclass(frozen=True)
class NaturalTable:
    """Natural beside synthetic loss.

    Attributes:
        rows: By keypoint.
        rho: Spearman's rank correlation of the relative losses (standardised natural; synthetic) over the kinds of
            keypoints that have both, left and right averaged.
        rho_lo: Lower end of its interval over photos, percentiles of the draws; ``rho_hi``: its upper end. Chance pulls
            the draws towards 0.
        p: Two-sided, of "no correlation", by permutations.
        n: How many kinds those are.
    """

    rows: tuple[NaturalRow, ...]
    rho: float
    rho_lo: float
    rho_hi: float
    p: float
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
    alike: Sequence[Compared],
    clean: Resampled,
    hidden: Sequence[Resampled | None],
    kinds: Sequence[Sequence[int]],
    level: float = 0.95,
    method: Method = "student",
) -> NaturalTable:
    """Put the two losses side by side.

    Args:
        natural: The clean cell under :func:`flag_masks` or :func:`flag_table`.
        alike: By keypoint the figures over comparable persons, in the same draws.
        clean: The clean cell; its keys include each keypoint's index.
        hidden: By keypoint the cell in which it is hidden, with the same keys and draws as ``clean``; None for one
            that was not attacked.
        kinds: The keypoints of each kind, a left and a right one as a rule.
        level: Coverage aimed at.
        method: Of the intervals of the raw losses.

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
    visible, occluded = (np.stack([getattr(c, name) for c in alike], axis=1) for name in ("visible", "occluded"))
    losses = [
        _Loss(
            natural.exact[seen] - natural.exact[gone],
            natural.draws[:, seen] - natural.draws[:, gone],
            natural.leave_out[:, seen] - natural.leave_out[:, gone],
            enough,
        ),
        _Loss(visible[0] - occluded[0], visible[1:] - occluded[1:], None, enough),
        _Loss(
            _dropped("exact", clean, hidden, at),
            _dropped("draws", clean, hidden, at),
            _dropped("leave_out", clean, hidden, at),
            clean.n[at] >= MIN_PERSONS,
        ),
    ]
    photos = np.array([0 if cell is None else _photos(clean, cell, i) for i, cell in enumerate(hidden)])
    images = np.minimum(natural.images[seen], natural.images[gone])
    found = [
        intervals(
            np.where(x.enough, 100 * x.value, np.nan),
            100 * x.draws,
            None if x.leave_out is None else 100 * x.leave_out,
            clusters,
            level,
            "student" if x.leave_out is None else method,
            changed,
        )
        for x, clusters, changed in zip(losses, (images, images, clean.images[at]), (None, None, photos), strict=True)
    ]
    rows = tuple(
        NaturalRow(
            i,
            int(natural.n[seen[i]]),
            int(natural.n[gone[i]]),
            float(100 * natural.ap[seen[i]]),
            float(100 * natural.ap[gone[i]]),
            *(
                float(v)
                for x, f in zip(losses, found, strict=True)
                for v in (100 * x.value[i], f.lo[i], f.hi[i], f.p[i])
            ),
        )
        for i in range(k)
    )
    relative = [
        _Loss(_share(x.value, whole), _share(x.draws, drawn), None, enough & losses[2].enough)
        for x, whole, drawn in (
            (losses[1], visible[0], visible[1:]),
            (losses[2], clean.exact[at], clean.draws[:, at]),
        )
    ]
    return NaturalTable(rows, *_correlation(relative, kinds, level))


def _photos(clean: Resampled, cell: Resampled, keypoint: int) -> int:
    """Images in which what decides the keypoint's figure changed."""
    pair = [c.signatures[[c.keys.index(keypoint)]] for c in (clean, cell)]
    return int(changed_images(*pair)[0])


@dataclass(frozen=True, eq=False)
class _Loss:
    """By keypoint: value (K,), draws (B, K), jackknife (J, K), and whether enough persons stand behind it (K,)."""

    value: np.ndarray
    draws: np.ndarray
    leave_out: np.ndarray | None
    enough: np.ndarray


def _dropped(name: str, clean: Resampled, hidden: Sequence[Resampled | None], at: list[int]) -> np.ndarray:
    """Clean minus attacked of each keypoint; shape (..., K)."""
    before: np.ndarray = getattr(clean, name)
    columns = [
        before[..., column] - (np.nan if cell is None else getattr(cell, name)[..., cell.keys.index(i)])
        for i, (column, cell) in enumerate(zip(at, hidden, strict=True))
    ]
    return np.stack(columns, axis=-1)


def _share(loss: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        share: np.ndarray = loss / whole
    return share


def _correlation(
    losses: Sequence[_Loss], kinds: Sequence[Sequence[int]], level: float
) -> tuple[float, float, float, float, int]:
    """Spearman's rho of two losses over the kinds that have both, its interval and its p, and how many they are.

    NaN with fewer than four kinds: three can be put in no order that is rarer than 1 in 3.
    """

    def by_kind(values: np.ndarray, enough: np.ndarray) -> np.ndarray:
        known = np.where(enough, values, np.nan)
        return np.stack([known[..., list(kind)].mean(axis=-1) for kind in kinds], axis=-1)

    pair = np.stack([by_kind(loss.value, loss.enough) for loss in losses])
    draws = np.stack([by_kind(loss.draws, loss.enough) for loss in losses])
    known = np.isfinite(pair).all(axis=0)
    n = int(np.count_nonzero(known))
    if n < 4 or np.any(np.ptp(pair[:, known], axis=1) == 0):
        return float("nan"), float("nan"), float("nan"), float("nan"), n
    first, second = scipy.stats.rankdata(pair[:, known], axis=1)

    def rho(order: np.ndarray) -> float:
        return float(np.corrcoef(order, second)[0, 1])

    found = scipy.stats.permutation_test(
        (first,), rho, permutation_type="pairings", n_resamples=PERMUTATIONS, random_state=np.random.default_rng(0)
    )
    return rho(first), *_rho_interval(draws[:, :, known], level), float(found.pvalue), n


def _rho_interval(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Percentiles of Spearman's rho in the draws (2, B, n) in which all losses are known; NaN without any draw."""
    ranks = scipy.stats.rankdata(draws[:, np.isfinite(draws).all(axis=(0, 2))], axis=2)
    ranks -= ranks.mean(axis=2, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=2).prod(axis=0))
    rho = _share((ranks[0] * ranks[1]).sum(axis=1), spread)
    rho = rho[np.isfinite(rho)]
    if not len(rho):
        return float("nan"), float("nan")
    low, high = np.quantile(rho, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
