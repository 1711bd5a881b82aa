"""confidence.csv: what a model says of keypoints that are hidden and of those that are not, against correctness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..evaluation.bootstrap import MIN_PERSONS
from ..evaluation.intervals import intervals
from ..evaluation.oks import annotators_similarity
from ..inference.predictions import CellPredictions
from .finished import FinishedRun
from .rows import Row, cell_columns
from .scoring import own_similarity
from .table import CELL, Column, PerCell, bounds, number, text

BINS = 20
"""Equal bins of the keypoint score, from 0 to 1."""

HIDDEN, VISIBLE = "hidden", "visible"


class Confidence(PerCell):
    """Score distribution and calibration."""

    name = "confidence"
    kept_as = "confidence"
    about = "for the hidden and the other keypoints of each cell one row about them all, and one per bin of the score"
    columns: ClassVar[Mapping[str, Column]] = {
        **CELL,
        "keypoints": text("`hidden`: in the painted region; `visible`: the other labelled ones"),
        "score_lo": number("lower end of the bin; empty in the row about all"),
        "score_hi": number("upper end of the bin; empty in the row about all"),
        "n": number("keypoints"),
        "score": number("their mean score"),
        "similarity": number("their mean similarity to the truth, exp(-e) as in OKS"),
        "error": number(
            "of a bin |score - similarity|; of all, the mean of that over the keypoints (calibration error)"
        ),
        **bounds("error", "`error`, by photo; in the row about all"),
        "ceiling": number(
            "mean similarity of predictions that lie where COCO's annotators mean, by the sigmas; in the row about all"
        ),
    }

    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        """See :class:`~.table.PerCell`."""
        where = dict.fromkeys(CELL) | cell_columns(cell.attack)
        similarity = own_similarity(run.dataset, cell.keypoints)
        photos = None if run.draws is None else Photos(run.photos, run.draws)
        ceiling = annotators_similarity(run.dataset.sigmas)
        rows = confidence_rows(cell.scores, similarity, cell.covered, run.labelled, ceiling, photos)
        return [where | row for row in rows]


@dataclass(frozen=True, eq=False)
class Photos:
    """What intervals are made from.

    Attributes:
        place: Shape (N,), int: position of each box's photo among those drawn from.
        draws: Shape (B, I), float: how often each photo counts in each draw.
    """

    place: np.ndarray
    draws: np.ndarray


def confidence_rows(
    scores: np.ndarray,
    similarity: np.ndarray,
    hidden: np.ndarray,
    labelled: np.ndarray,
    ceiling: np.ndarray,
    photos: Photos | None = None,
) -> list[dict[str, Any]]:
    """Score distribution and calibration of one cell, of its hidden and of its other labelled keypoints.

    A keypoint's score is calibrated when it equals, on average, the similarity to the truth that it stands for.

    Args:
        scores: Shape (N, K): keypoint scores. One below 0 or above 1 counts in the first or the last bin.
        similarity: Shape (N, K): exp(-e) of each keypoint as in OKS, in 0 to 1; NaN where it is not known.
        hidden: Shape (N, K), bool: keypoints in the painted region.
        labelled: Shape (N, K), bool.
        ceiling: Shape (K,): see :func:`~.evaluation.oks.annotators_similarity`.
        photos: For intervals; None for none.

    Returns:
        For each group (``keypoints``: hidden, visible) that has any: first one row about all of it, with empty
        ``score_lo`` and ``score_hi``, then one per bin that is not empty. ``n`` keypoints, their mean ``score`` and
        ``similarity``, and the calibration ``error``: of a bin |score - similarity|, of a group the mean of those over
        its keypoints (the expected calibration error), with its interval and the ``ceiling`` of the similarity.
    """
    known = labelled & np.isfinite(similarity) & np.isfinite(scores)
    rows: list[dict[str, Any]] = []
    for name, group in ((HIDDEN, known & hidden), (VISIBLE, known & ~hidden)):
        if group.any():
            said, right = (values[group].astype(np.float64) for values in (scores, similarity))
            whole, *bins = _group_rows(name, said, right)
            whole |= {"ceiling": float(np.broadcast_to(ceiling, group.shape)[group].mean())}
            if photos is not None:
                place = np.broadcast_to(photos.place[:, None], group.shape)[group]
                whole |= _error_interval(whole["error"], said, right, place, photos.draws)
            rows += [whole, *bins]
    return rows


def _error_interval(
    error: float, scores: np.ndarray, similarity: np.ndarray, place: np.ndarray, draws: np.ndarray
) -> dict[str, float]:
    """The interval of a calibration error: M keypoints, each in the photo at ``place``."""
    images = draws.shape[1]
    cell = place * BINS + _bin(scores)
    apart = np.bincount(cell, scores - similarity, images * BINS).reshape(images, BINS)
    number = np.bincount(place, minlength=images)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.abs(draws @ apart).sum(axis=1) / (draws @ number)
    # Chance can only add to a mean of absolute values, in a draw more than in the data: the draws are moved back.
    drawn += error - np.nanmean(drawn)
    clusters = np.count_nonzero(number)
    value = np.array([error if clusters >= MIN_PERSONS else np.nan])
    found = intervals(value, drawn[:, None], clusters=np.array([clusters]))
    return {"error_lo": float(found.lo[0]), "error_hi": float(found.hi[0])}


def _bin(scores: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(scores * BINS), 0, BINS - 1).astype(int)


def _group_rows(name: str, scores: np.ndarray, similarity: np.ndarray) -> list[dict[str, Any]]:
    place = _bin(scores)
    counts = np.bincount(place, minlength=BINS)
    full = np.flatnonzero(counts)
    score = np.bincount(place, scores, BINS)[full] / counts[full]
    right = np.bincount(place, similarity, BINS)[full] / counts[full]
    error = np.abs(score - right)
    whole = _row(name, None, len(scores), scores.mean(), similarity.mean(), np.average(error, weights=counts[full]))
    bins = zip(full, counts[full], score, right, error, strict=True)
    return [whole, *(_row(name, int(place), n, s, r, e) for place, n, s, r, e in bins)]


def _row(name: str, place: int | None, n: int, score: float, similarity: float, error: float) -> dict[str, Any]:
    low, high = (None, None) if place is None else (place / BINS, (place + 1) / BINS)
    return {
        "keypoints": name,
        "score_lo": low,
        "score_hi": high,
        "n": int(n),
        "score": float(score),
        "similarity": float(similarity),
        "error": float(error),
    }
