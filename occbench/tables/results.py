"""Scores of results that come from elsewhere, by the metric of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data.findings import Finding
from ..data.nobody import on_nobody
from ..data.persons import Dataset
from ..data.results import poses, read_results
from ..evaluation.owners import owned
from ..evaluation.types import Detections
from .cells import Cells
from .coverage import near_0, on_the_same_photos
from .errors import TRANSITION, ErrorTable
from .groups import Groups
from .levels import LevelScorer
from .migration import Migration
from .rates import RatedCell, RateScorer
from .rows import Row
from .scoring import ScoredCell, Scorer, Scoring

CLEAN, RESULTS = "clean", "results"
"""The level of the rows of results without the attack, and of the others where they are one file."""


@dataclass(frozen=True)
class Coverage:
    """What a results file has.

    Attributes:
        level: Of its rows.
        persons: Results in it; where the metric takes one pose per annotated person, the persons that have one.
        photos: Photos that have any.
    """

    level: str
    persons: int
    photos: int


@dataclass(frozen=True, eq=False)
class Scores:
    """What results are worth.

    Attributes:
        rows: As of :class:`~.cells.Cells`, without the columns that name a run; level ``clean`` for the clean results,
            ``results`` or the file's name for the others. Drops are against the first file.
        groups: As of :class:`~.groups.Groups`, likewise; empty where the data set has no groups.
        files: What each file has, in the order of the rows.
        errors: As of :class:`~.errors.ErrorTable` with joints `all`, likewise: the kind of error of each joint, and
            what those of the first file turn into.
        findings: What was found out about the results, and what does not fit.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    files: tuple[Coverage, ...]
    errors: pd.DataFrame
    findings: tuple[Finding, ...] = ()


def score_results(
    dataset: Dataset, predictions: Sequence[Path], clean: Path | None, scoring: Scoring, count_missed: bool = False
) -> Scores:
    """Score keypoint results of any framework.

    Args:
        dataset: Whose truth and metric.
        predictions: The results files.
        clean: Results on the photos as they were. Drops and their intervals are against them; without them, against
            the first of several files.
        scoring: How.
        count_missed: Whether a photo that only some files have results for is one where the others found nobody.
            Otherwise it is left out of all, so that all are scored on the same photos.

    Raises:
        OccbenchError: See :func:`~.data.results.read_results` and :func:`~.data.results.poses`; or the data set lacks
            what its metric needs.
    """
    files = [file for file in (clean, *predictions) if file is not None]
    levels = [*([CLEAN] if clean is not None else []), *_levels(predictions)]
    read = [read_results(file, dataset) for file in files]
    dataset, read, findings = on_the_same_photos(dataset, read, count_missed)
    nothing = np.zeros(dataset.truth.visibility.shape, dtype=bool), np.zeros(len(dataset.truth), dtype=bool)
    if dataset.metric == "oks":
        counts = [(len(one.image), len(np.unique(one.image))) for one in read]
        found = [owned(dataset.truth, one.detections(), dataset.sigmas) for one in read]
        posed = [poses_of(dataset, one) for one in found]
        rows, groups = _by_ap(dataset, [ScoredCell(None, one.detections(), *nothing) for one in read], scoring)
    else:
        posed = [poses(one, dataset) for one in read]
        there = [np.isfinite(one).all((1, 2)) for one in posed]
        counts = [(int(one.sum()), len(np.unique(dataset.truth.image[one]))) for one in there]
        rows, groups = _by_rate(dataset, [RatedCell(None, one, *nothing) for one in posed], scoring)
    table = _named(Cells().frame(_flat(rows)), levels)
    said = {finding: None for one in read for finding in one.findings}
    low = near_0(float(table["value"].iloc[0]), int(table["n"].iloc[0])) if len(read[0].scores) else ()
    return Scores(
        table,
        _named(Groups().frame(_flat(groups)), levels),
        tuple(Coverage(level, *count) for level, count in zip(levels, counts, strict=True)),
        _errors(dataset, scoring, posed, levels),
        (*said, *findings, *on_nobody(dataset), *low),
    )


def _levels(files: Sequence[Path]) -> list[str]:
    """``results`` for a single file; several are told apart by their names, or their places."""
    if len(files) == 1:
        return [RESULTS]
    stems = [file.stem for file in files]
    unique = len({*stems, CLEAN}) == len(stems) + 1
    return stems if unique else [f"{stem} ({i + 1})" for i, stem in enumerate(stems)]


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


def poses_of(dataset: Dataset, found: Detections) -> np.ndarray:
    """The pose of each annotated person, (G, K, 2), image px, of detections with owners; NaN for none."""
    result = np.full(dataset.truth.keypoints.shape, np.nan)
    if found.owner is not None:
        result[found.owner] = found.keypoints
    return result


def _errors(dataset: Dataset, scoring: Scoring, posed: list[np.ndarray], levels: Sequence[str]) -> pd.DataFrame:
    migration = Migration(dataset, scoring, posed[0])
    parts = [migration.rows(None, migration.follow(one)) for one in posed]
    rows = [row | {"level": level} for level, part in zip(levels, parts, strict=True) for row in part]
    return ErrorTable().frame(rows)[["level", *TRANSITION]]


def _flat(parts: list[list[Row]]) -> list[Row]:
    return [row for part in parts for row in part]


def _named(table: pd.DataFrame, levels: Sequence[str]) -> pd.DataFrame:
    return table.assign(level=np.repeat(np.array(levels, dtype=object), len(table) // len(levels)))
