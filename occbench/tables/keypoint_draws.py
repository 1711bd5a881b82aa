"""The figures of single keypoints in the draws of a run's bootstrap, for whatever a run's metric is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.persons import Dataset
from ..evaluation.bootstrap import Resampled, Weights, prepare, resample
from ..evaluation.cells import Key, Protocol, cell_masks
from ..evaluation.natural import flag_masks, flag_table
from ..evaluation.owners import owned
from ..evaluation.rates import METRICS, RateTable, resample_rates
from ..evaluation.standardised import Compared, compared_areas, compared_rates
from ..evaluation.types import Detections, GroundTruth
from ..inference.predictions import CellPredictions
from ..inference.results import cell_detections
from .rates import by_annotation
from .scoring import Scoring


def figures_of(dataset: Dataset, scoring: Scoring, areas: np.ndarray) -> Aps | Rates:
    """What resamples the cells of a data set.

    Args:
        dataset: Whose truth and metric.
        scoring: How; the draws are those of the run's intervals.
        areas: Of the padded boxes, shape (N,), image px squared.
    """
    return Aps(dataset, scoring, areas) if dataset.metric == "oks" else Rates(dataset, scoring)


def _weights(truth: GroundTruth, scoring: Scoring) -> Weights:
    nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
    return scoring.weights(len(truth.image_ids)) or Weights(nothing, nothing)


class Aps:
    """AP; arguments as of :func:`figures_of`."""

    def __init__(self, dataset: Dataset, scoring: Scoring, areas: np.ndarray) -> None:
        self._dataset, self._scoring, self._areas = dataset, scoring, areas
        self._weights = _weights(dataset.truth, scoring)
        self._single = cell_masks(len(dataset.truth), len(dataset.sigmas))
        del self._single[None]  # all keypoints

    def by_flag(self, cell: CellPredictions) -> tuple[Resampled, list[Compared]]:
        """Of each keypoint where it is visible and where it is occluded; and the same over comparable persons.

        Predictions that are nobody's are left out: they cannot be charged to the one or the other.
        """
        data = self._dataset
        found = owned(data.truth, self._detections(cell), data.sigmas)
        prepared = prepare(data.truth, found, data.sigmas, "corrected", flag_masks(data.truth))
        alike = [
            compared_areas(data.truth, prepared.matches, (2 * k, 2 * k + 1), k, self._weights)
            for k in range(data.truth.k)
        ]
        return resample(prepared, self._weights), alike

    def by_keypoint(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint, at its index."""
        return self._resampled(cell, self._single, self._scoring.protocol)

    def of_keypoints(self, cell: CellPredictions, keypoints: Sequence[int]) -> Resampled:
        """Of some keypoints, at their index."""
        return self._resampled(cell, {k: self._single[k] for k in keypoints}, self._scoring.protocol)

    def _resampled(
        self, cell: CellPredictions, masks: Mapping[Key, np.ndarray | None], protocol: Protocol
    ) -> Resampled:
        data = self._dataset
        return resample(prepare(data.truth, self._detections(cell), data.sigmas, protocol, masks), self._weights)

    def _detections(self, cell: CellPredictions) -> Detections:
        return cell_detections(self._dataset, cell, self._areas, self._scoring.pose_nms)


class Rates:
    """The share of correct joints; arguments as of :func:`figures_of`."""

    def __init__(self, dataset: Dataset, scoring: Scoring) -> None:
        self._dataset = dataset
        self._image = np.searchsorted(dataset.truth.image_ids, dataset.truth.image)
        self._weights = _weights(dataset.truth, scoring)

    def by_flag(self, cell: CellPredictions) -> tuple[Resampled, list[Compared]]:
        """Of each keypoint where it is visible and where it is occluded; and the same over comparable persons."""
        truth, table = self._dataset.truth, self._table(cell)
        hit, counted = table.hits.hit, table.hits.counted
        alike = [compared_rates(truth, hit[:, k], counted[:, k], k, self._weights) for k in range(truth.k)]
        return resample_rates(flag_table(table, truth.visibility), self._image, self._weights), alike

    def by_keypoint(self, cell: CellPredictions) -> Resampled:
        """Of each keypoint, at its index, among others."""
        return resample_rates(self._table(cell), self._image, self._weights)

    def of_keypoints(self, cell: CellPredictions, keypoints: Sequence[int]) -> Resampled:
        """Of every keypoint: some cost as much as all."""
        return self.by_keypoint(cell)

    def _table(self, cell: CellPredictions) -> RateTable:
        data = self._dataset
        predicted, labelled = by_annotation(data, cell.keypoints), data.truth.visibility > 0
        metric = METRICS[data.metric]
        lengths = np.asarray(data.lengths)
        return metric.tables(predicted, data.truth.keypoints, labelled, lengths, data.skeleton.keypoints)[0]
