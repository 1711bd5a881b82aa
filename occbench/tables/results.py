"""Scores of results that come from elsewhere, by the metric of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data.persons import Dataset
from ..data.results import read_poses, read_results
from .cells import Cells
from .groups import Groups
from .levels import LevelScorer
from .rates import RatedCell, RateScorer
from .rows import Row
from .scoring import ScoredCell, Scorer, Scoring

NAMES = ("clean", "results")
"""The level of the rows of results without the attack, and of the others."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What results are worth.

    Attributes:
        rows: As of :class:`~.cells.Cells`, without the columns that name a run; level ``clean`` for the clean results,
            ``results`` for the others.
        groups: As of :class:`~.groups.Groups`, likewise; empty where the data set has no groups.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame


def score_results(dataset: Dataset, predictions: Path, clean: Path | None, scoring: Scoring) -> Scores:
    """Score keypoint results of any framework.

    Args:
        dataset: Whose truth and metric.
        predictions: The results file.
        clean: Results on the photos as they were; with them, drops and their intervals are given.
        scoring: How.

    Raises:
        OccbenchError: See :func:`~.data.results.read_results` and :func:`~.data.results.read_poses`; or the data set
            lacks what its metric needs.
    """
    files = [file for file in (clean, predictions) if file is not None]
    covered = np.zeros(dataset.truth.visibility.shape, dtype=bool)
    if dataset.metric == "oks":
        rows, groups = _by_ap(dataset, [ScoredCell(None, read_results(f, dataset), covered) for f in files], scoring)
    else:
        rows, groups = _by_rate(dataset, [RatedCell(None, read_poses(f, dataset), covered) for f in files], scoring)
    return Scores(_named(Cells().frame(_flat(rows)), len(files)), _named(Groups().frame(_flat(groups)), len(files)))


def _by_ap(dataset: Dataset, cells: list[ScoredCell], scoring: Scoring) -> tuple[list[list[Row]], list[list[Row]]]:
    scorer = Scorer(dataset.truth, dataset.sigmas, dataset.skeleton.keypoints, scoring, cells[0])
    rows = [scorer.clean_rows(), *(scorer.rows(cell) for cell in cells[1:])]
    if not dataset.levels:
        return rows, []
    levels = LevelScorer(dataset, scoring, cells[0])
    return rows, [levels.clean_groups(), *(levels.groups(cell) for cell in cells[1:])]


def _by_rate(dataset: Dataset, cells: list[RatedCell], scoring: Scoring) -> tuple[list[list[Row]], list[list[Row]]]:
    scorer = RateScorer(dataset, scoring, cells[0])
    rows = [scorer.clean_rows(), *(scorer.rows(cell) for cell in cells[1:])]
    return rows, [scorer.clean_groups(), *(scorer.groups(cell) for cell in cells[1:])]


def _flat(parts: list[list[Row]]) -> list[Row]:
    return [row for part in parts for row in part]


def _named(table: pd.DataFrame, files: int) -> pd.DataFrame:
    return table.assign(level=np.repeat(NAMES[-files:], len(table) // files))
