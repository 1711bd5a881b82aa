"""natural.csv: the loss on keypoints that something hides in the photo, beside the loss when we hide them.

The natural loss is between different persons, those in whom a keypoint is annotated as visible and those in whom it is
annotated as occluded; the synthetic loss is of the same persons. See :mod:`~.evaluation.natural`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from .attacks import Attack
from .data.persons import Dataset
from .evaluation.bootstrap import Resampled, Weights, prepare, resample
from .evaluation.cells import Key, Protocol, cell_masks
from .evaluation.natural import OCCLUDED, VISIBLE, NaturalTable, flag_masks, flag_table, natural_table
from .evaluation.rates import METRICS, RateTable, resample_rates
from .evaluation.types import GroundTruth
from .group_scoring import by_annotation, metric_name
from .inference.predictions import CellPredictions
from .inference.results import to_detections
from .scoring import Row, Scoring

NATURAL_COLUMNS = (
    *("model", "dataset", "boxes", "protocol", "fill", "radius", "keypoint", "metric"),
    *("n_visible", "n_occluded", "visible", "occluded", "natural", "natural_lo", "natural_hi"),
    *("synthetic", "synthetic_lo", "synthetic_hi", "n_keypoints", "rho", "rho_lo", "rho_hi"),
)
"""Of natural.csv: one row per fill and keypoint, and one per fill for ``all`` with the rank correlation.

``visible`` and ``occluded`` are fractions, the losses points (x 100). NaN where there is no such number.
"""

NATURAL_TEXT = ("fill", "keypoint", "metric")
"""Those from ``fill`` on that are no numbers."""

Read = Callable[[Attack | None], CellPredictions]


def has_flags(truth: GroundTruth) -> bool:
    """Whether keypoints are annotated as visible in some persons and as occluded in others."""
    flags = truth.visibility[~truth.crowd]
    return bool((flags == VISIBLE).any() and (flags == OCCLUDED).any())


def natural_rows(
    dataset: Dataset, scoring: Scoring, areas: np.ndarray, read: Read, attacks: Sequence[Attack | None]
) -> list[Row]:
    """The rows of natural.csv.

    Synthetic is the drop of each keypoint's own figure when a disc of the smallest radius lies centred on it, as in
    cells.csv. The figures by flag count the persons with that flag alone, whatever the protocol.

    Args:
        dataset: Whose truth and metric.
        scoring: How; the draws are those of the run's intervals.
        areas: Of the padded boxes, shape (N,), image px squared.
        read: Gives the predictions of a cell; None for the clean one.
        attacks: The run's cells.

    Returns:
        Rows with :data:`NATURAL_COLUMNS` from ``fill`` on; none where no flag is annotated or no keypoint was hidden.
    """
    suites = _suites(attacks)
    if not suites or not has_flags(dataset.truth):
        return []
    figures = _Aps(dataset, scoring, areas) if dataset.metric == "oks" else _Rates(dataset, scoring)
    cell = read(None)
    natural, clean = figures.by_flag(cell), figures.by_keypoint(cell)
    rows = []
    for (fill, radius), by_target in suites.items():
        hidden = [
            None if name not in by_target else figures.of_keypoint(read(by_target[name]), k)
            for k, name in enumerate(dataset.skeleton.keypoints)
        ]
        table = natural_table(natural, clean, hidden)
        rows += [{"fill": fill, "radius": radius} | row for row in _rows(table, dataset)]
    return rows


def as_natural_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows with :data:`NATURAL_COLUMNS` from ``fill`` on."""
    columns = list(NATURAL_COLUMNS[NATURAL_COLUMNS.index("fill") :])
    table = pd.DataFrame(rows, columns=columns)
    numbers = [name for name in columns if name not in NATURAL_TEXT]
    table[numbers] = table[numbers].astype(np.float64)
    return table


def _suites(attacks: Sequence[Attack | None]) -> dict[tuple[str, float], dict[str, Attack]]:
    """By fill, with its smallest radius, the centred attack on each keypoint."""
    centred = [a for a in attacks if a is not None and a.level == "keypoint" and a.placement.kind == "centred"]
    smallest: dict[str, float] = {}
    for attack in centred:
        smallest[attack.fill] = min(attack.radius, smallest.get(attack.fill, attack.radius))
    return {
        (fill, radius): {a.target: a for a in centred if (a.fill, a.radius) == (fill, radius)}
        for fill, radius in smallest.items()
    }


def _rows(table: NaturalTable, dataset: Dataset) -> list[Row]:
    names, metric = dataset.skeleton.keypoints, metric_name(dataset)
    rows: list[Row] = []
    for found in table.rows:
        row = asdict(found) | {"keypoint": names[found.keypoint], "metric": metric}
        rows.append(row | {"visible": found.visible / 100, "occluded": found.occluded / 100})
    correlation = {"rho": table.rho, "rho_lo": table.rho_lo, "rho_hi": table.rho_hi}
    return [*rows, {"keypoint": "all", "metric": metric, "n_keypoints": table.n} | correlation]


def _weights(truth: GroundTruth, scoring: Scoring) -> Weights:
    if not scoring.draws:
        nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
        return Weights(nothing, nothing)
    return Weights.draw(len(truth.image_ids), scoring.draws, rng=np.random.default_rng(scoring.seed))


class _Aps:
    """AP; arguments as of :func:`natural_rows`."""

    def __init__(self, dataset: Dataset, scoring: Scoring, areas: np.ndarray) -> None:
        self._dataset, self._scoring, self._areas = dataset, scoring, areas
        self._weights = _weights(dataset.truth, scoring)
        self._single = cell_masks(len(dataset.truth), len(dataset.sigmas))
        del self._single[None]  # all keypoints

    def by_flag(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint where it is visible and where it is occluded."""
        return self._resampled(cell, flag_masks(self._dataset.truth), "corrected")

    def by_keypoint(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint, at its index."""
        return self._resampled(cell, self._single, self._scoring.protocol)

    def of_keypoint(self, cell: CellPredictions, keypoint: int) -> Resampled:
        """Of one keypoint, at its index."""
        return self._resampled(cell, {keypoint: self._single[keypoint]}, self._scoring.protocol)

    def _resampled(
        self, cell: CellPredictions, masks: Mapping[Key, np.ndarray | None], protocol: Protocol
    ) -> Resampled:
        data = self._dataset
        found = to_detections(data.persons, cell.keypoints, cell.scores, self._areas, data.sigmas)
        return resample(prepare(data.truth, found, data.sigmas, protocol, masks), self._weights)


class _Rates:
    """The share of correct joints; arguments as of :func:`natural_rows`."""

    def __init__(self, dataset: Dataset, scoring: Scoring) -> None:
        self._dataset = dataset
        self._image = np.searchsorted(dataset.truth.image_ids, dataset.truth.image)
        self._weights = _weights(dataset.truth, scoring)

    def by_flag(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint where it is visible and where it is occluded."""
        split = flag_table(self._table(cell), self._dataset.truth.visibility)
        return resample_rates(split, self._image, self._weights)

    def by_keypoint(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint, at its index, among others."""
        return resample_rates(self._table(cell), self._image, self._weights)

    def of_keypoint(self, cell: CellPredictions, keypoint: int) -> Resampled:
        """Of each keypoint: one costs as much as all."""
        return self.by_keypoint(cell)

    def _table(self, cell: CellPredictions) -> RateTable:
        data = self._dataset
        predicted, labelled = by_annotation(data, cell.keypoints), data.truth.visibility > 0
        metric = METRICS[data.metric]
        lengths = np.asarray(data.lengths)
        return metric.tables(predicted, data.truth.keypoints, labelled, lengths, data.skeleton.keypoints)[0]
