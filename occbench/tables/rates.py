"""Scores cells by the share of correct joints, of each joint and of groups of them: MPII, LSP, FLIC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.bootstrap import Resampled, Weights, ap_intervals, compare
from ..evaluation.cells import Key
from ..evaluation.pck import Hits
from ..evaluation.rates import METRICS, RateTable, resample_rates
from ..system.errors import OccbenchError
from .rows import Row, cell_columns
from .scoring import Scoring, remaining_columns, remaining_keypoints


@dataclass(frozen=True, eq=False)
class RatedCell:
    """What a cell's rates are made from.

    Attributes:
        attack: None for the clean cell.
        keypoints: Shape (G, K, 2), float64, image px: the prediction for each annotated person; NaN for none.
        covered: Shape (G, K), bool: labelled keypoints inside the painted region.
        attacked: Shape (G,), bool: whom the attack changed.
    """

    attack: Attack | None
    keypoints: np.ndarray
    covered: np.ndarray
    attacked: np.ndarray


def metric_name(dataset: Dataset) -> str:
    """What a data set's drops are given in: ``AP``, ``PCKh@0.5``, ..."""
    return "AP" if dataset.metric == "oks" else METRICS[dataset.metric].main


def require_measurable(dataset: Dataset) -> None:
    """Refuse a data set that lacks what its metric measures errors in.

    Raises:
        OccbenchError: No person has it.
    """
    if dataset.metric == "oks":
        return
    metric = METRICS[dataset.metric]
    if dataset.lengths is None or not np.isfinite(dataset.lengths).any():
        hint = (
            "; put mpii_gt_val.mat beside mpii_val.json, or measure on mpii-original" if metric.name == "PCKh" else ""
        )
        raise OccbenchError(f"{dataset.name!r} has no {metric.length} of anybody, which {metric.name} needs{hint}")


def by_annotation(dataset: Dataset, keypoints: np.ndarray) -> np.ndarray:
    """Predictions by annotated person, from those by box.

    Args:
        dataset: Whose persons (boxes) and truth.
        keypoints: Shape (N, K, 2), image px, by box.

    Returns:
        Shape (G, K, 2), float64, by annotation; NaN where no box stands for the person.
    """
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    result = np.full(dataset.truth.keypoints.shape, np.nan)
    for person, found in zip(dataset.persons, keypoints, strict=True):
        if person.annotation is not None:
            result[row[person.annotation]] = found
    return result


class RateScorer:
    """Scores cells by the share of correct joints, each against the clean one.

    An attack's cell is compared with the clean one for the same persons; a person without a prediction has nothing
    right. Rows are as those of `scoring.Scorer`, with the share as ``value`` and no AP.

    Args:
        dataset: Truth, lengths, keypoints and metric.
        scoring: How; the protocol decides what "outside the painted region" is.
        clean: The clean cell.

    Raises:
        OccbenchError: The data set lacks what its metric needs.
    """

    def __init__(self, dataset: Dataset, scoring: Scoring, clean: RatedCell) -> None:
        require_measurable(dataset)
        self._metric = METRICS[dataset.metric]
        self._truth, self._lengths = dataset.truth, np.asarray(dataset.lengths)
        self._keypoints, self._scoring = dataset.skeleton.keypoints, scoring
        self._image = np.searchsorted(dataset.truth.image_ids, dataset.truth.image)
        nothing = np.empty((0, len(dataset.truth.image_ids)))
        self._weights = scoring.weights(len(dataset.truth.image_ids)) or Weights(nothing, nothing)
        self._clean_tables = self._tables(clean)
        self._clean_draws = [resample_rates(table, self._image, self._weights) for table in self._clean_tables]

    def _tables(self, cell: RatedCell) -> list[RateTable]:
        labelled = self._truth.visibility > 0
        return self._metric.tables(cell.keypoints, self._truth.keypoints, labelled, self._lengths, self._keypoints)

    def clean_rows(self) -> list[Row]:
        """The rows of the clean cell: all joints, then each."""
        return self._rows(None, self._clean_draws[0], None)

    def clean_groups(self) -> list[Row]:
        """The rows of groups.csv of the clean cell."""
        return self._groups(None, self._clean_draws, against_clean=False)

    def rows(self, cell: RatedCell) -> list[Row]:
        """The rows of a cell: shares, drops in points, intervals."""
        table = self._tables(cell)[0]
        rows = self._rows(cell.attack, resample_rates(table, self._image, self._weights), self._clean_draws[0])
        if cell.attack is not None and cell.attack.level == "part":
            self._add_remaining(rows, table, cell)
        return rows

    def groups(self, cell: RatedCell) -> list[Row]:
        """The rows of groups.csv of a cell."""
        return self._groups(cell.attack, [resample_rates(t, self._image, self._weights) for t in self._tables(cell)])

    def _rows(self, attack: Attack | None, found: Resampled, clean: Resampled | None) -> list[Row]:
        rows = []
        for key, row in rate_figures(found, clean):
            if key is None or isinstance(key, int):
                name = "all" if key is None else self._keypoints[key]
                rows.append(cell_columns(attack) | {"keypoint": name, "metric": self._metric.main} | row)
        return rows

    def _groups(self, attack: Attack | None, found: Sequence[Resampled], against_clean: bool = True) -> list[Row]:
        rows = []
        for table, own, clean in zip(self._clean_tables, found, self._clean_draws, strict=True):
            for key, row in rate_figures(own, clean if against_clean else None):
                if key is None or isinstance(key, str):
                    rows.append(cell_columns(attack) | {"metric": table.name, "group": key or "Mean"} | row)
        return rows

    def _add_remaining(self, rows: list[Row], table: RateTable, cell: RatedCell) -> None:
        """The drop over the attacked persons in whom a joint lies outside the painted region, as for AP."""
        remaining = remaining_keypoints(self._truth, cell.covered, cell.attacked, self._scoring.protocol)
        before, after = (
            resample_rates(_only(remaining, t), self._image, self._weights) for t in (self._clean_tables[0], table)
        )
        for row, found in zip(rows, compare(before, after), strict=False):
            row |= remaining_columns(found)


def _only(counts: np.ndarray, table: RateTable) -> RateTable:
    """A table of joints in which some of them do not count; ``counts``: shape (G, K), bool."""
    return RateTable(table.name, Hits(table.hits.hit & counts, table.hits.counted & counts), table.groups)


def rate_figures(found: Resampled, clean: Resampled | None) -> list[tuple[Key, Row]]:
    """Of each key the figure with its interval and, beside a clean cell, the drop with its own."""
    bounds = ap_intervals(found)
    columns = zip(found.keys, found.n.tolist(), found.ap.tolist(), bounds.lo.tolist(), bounds.hi.tolist(), strict=True)
    rows: list[tuple[Key, Row]] = [
        (key, {"n": n, "value": value, "value_lo": low, "value_hi": high}) for key, n, value, low, high in columns
    ]
    if clean is not None:
        for (_, row), drop in zip(rows, compare(clean, found), strict=True):
            row |= {"drop": drop.drop, "drop_lo": drop.drop_lo, "drop_hi": drop.drop_hi}
            row |= {"drop_se": drop.drop_se, "p": drop.p, "drop_grid": drop.drop_grid, "photos": drop.photos}
    return rows
