"""From a cell's predictions to its rows, by the metric of the data set."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..data.persons import Dataset
from ..inference.predictions import CellPredictions
from ..inference.results import cell_detections
from .levels import LevelScorer
from .rates import RatedCell, RateScorer, by_annotation
from .rows import Row
from .scoring import ScoredCell, Scorer, Scoring, covered_by_truth


class Judge(Protocol):
    """Scores the cells of one run, each against the clean one."""

    def rows(self, cell: CellPredictions | None) -> list[Row]:
        """The rows of cells.csv of a cell; None for the clean one."""

    def groups(self, cell: CellPredictions | None) -> list[Row]:
        """The rows of groups.csv of a cell, likewise; none where the data set has no groups."""


def judge(dataset: Dataset, scoring: Scoring, areas: np.ndarray, clean: CellPredictions) -> Judge:
    """The judge of a data set.

    Args:
        dataset: Whose metric.
        scoring: How.
        areas: Of the padded boxes, shape (N,), image px squared.
        clean: The clean cell.

    Raises:
        OccbenchError: The data set lacks what its metric needs.
    """
    if dataset.metric == "oks":
        return ApJudge(dataset, scoring, areas, clean)
    return RateJudge(dataset, scoring, clean)


class ApJudge:
    """COCO's AP, over the photos of each level too where the data set has levels. Arguments as of :func:`judge`."""

    def __init__(self, dataset: Dataset, scoring: Scoring, areas: np.ndarray, clean: CellPredictions) -> None:
        self._dataset, self._areas, self._rule = dataset, areas, scoring.pose_nms
        found = self._scored(clean)
        self._scorer = Scorer(dataset.truth, dataset.sigmas, dataset.skeleton.keypoints, scoring, found)
        self._levels = LevelScorer(dataset, scoring, found) if dataset.levels else None

    def rows(self, cell: CellPredictions | None) -> list[Row]:
        """See :class:`Judge`."""
        return self._scorer.clean_rows() if cell is None else self._scorer.rows(self._scored(cell))

    def groups(self, cell: CellPredictions | None) -> list[Row]:
        """See :class:`Judge`."""
        if self._levels is None:
            return []
        return self._levels.clean_groups() if cell is None else self._levels.groups(self._scored(cell))

    def _scored(self, cell: CellPredictions) -> ScoredCell:
        """A cell's predictions as detections: scored, thinned out (PROTOCOL section 5)."""
        data = self._dataset
        found = cell_detections(data, cell, self._areas, self._rule)
        covered, attacked = (covered_by_truth(data, flags) for flags in (cell.covered, cell.attacked))
        return ScoredCell(cell.attack, found, covered, attacked)


class RateJudge:
    """The share of correct joints: MPII, LSP, FLIC. Arguments as of :func:`judge`."""

    def __init__(self, dataset: Dataset, scoring: Scoring, clean: CellPredictions) -> None:
        self._dataset = dataset
        self._scorer = RateScorer(dataset, scoring, self._rated(clean))

    def rows(self, cell: CellPredictions | None) -> list[Row]:
        """See :class:`Judge`."""
        return self._scorer.clean_rows() if cell is None else self._scorer.rows(self._rated(cell))

    def groups(self, cell: CellPredictions | None) -> list[Row]:
        """See :class:`Judge`."""
        return self._scorer.clean_groups() if cell is None else self._scorer.groups(self._rated(cell))

    def _rated(self, cell: CellPredictions) -> RatedCell:
        covered, attacked = (covered_by_truth(self._dataset, flags) for flags in (cell.covered, cell.attacked))
        return RatedCell(cell.attack, by_annotation(self._dataset, cell.keypoints), covered, attacked)
