"""Predictions become the rows of cells.csv: figures, drops, intervals (PROTOCOL section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from .attacks import Attack
from .data.persons import Dataset
from .evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, ap_intervals, compare, prepare, resample
from .evaluation.cells import Evaluator, Key, Protocol, cell_masks, evaluate_cell, outside
from .evaluation.intervals import holm
from .evaluation.types import Detections, Figures, GroundTruth

COLUMNS = (
    *("model", "dataset", "boxes", "protocol", "level", "fill", "target", "radius", "placement", "keypoint"),
    *("n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "drop", "drop_lo", "drop_hi", "drop_se", "p", "p_adjusted"),
    *("ap_lo", "ap_hi", "ar50", "ar75", "ar_m", "ar_l", "n_remaining", "drop_remaining"),
)
"""Of cells.csv: long form, one row per cell and keypoint. NaN where there is no such number."""


@dataclass(frozen=True, eq=False)
class ScoredCell:
    """What a cell's rows are made from.

    Attributes:
        attack: None for the clean cell.
        detections: Predicted persons.
        covered: Shape (G, K), bool: labelled keypoints of each annotated person inside the painted region.
    """

    attack: Attack | None
    detections: Detections
    covered: np.ndarray


@dataclass(frozen=True)
class Scoring:
    """How cells are scored.

    Attributes:
        protocol: ``corrected`` or ``thesis``.
        evaluator: ``exact``, or ``pycocotools`` for the official figures.
        draws: Bootstrap draws; 0 for no intervals.
        seed: Of the draws.
    """

    protocol: Protocol = "corrected"
    evaluator: Evaluator = "exact"
    draws: int = 1000
    seed: int = 0


def score_cells(
    truth: GroundTruth,
    sigmas: np.ndarray,
    keypoints: Sequence[str],
    cells: Sequence[ScoredCell],
    scoring: Scoring,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score every cell against the first, the clean one.

    Args:
        truth: Annotated persons.
        sigmas: Shape (K,).
        keypoints: K names.
        cells: The clean cell first.
        scoring: How.
        advance: Called after each cell.

    Returns:
        Rows with :data:`COLUMNS` from ``level`` on, drops in AP points; p adjusted over all drops of the table (Holm).
    """
    weights = None
    if scoring.draws:
        rng = np.random.default_rng(scoring.seed)
        weights = Weights.draw(len(truth.image_ids), scoring.draws, rng=rng)
    rows: list[dict[str, object]] = []
    clean_figures: dict[Key, Figures] = {}
    clean_draws: Resampled | None = None
    for number, cell in enumerate(cells):
        prepared = prepare(truth, cell.detections, sigmas, scoring.protocol)
        figures = prepared.figures
        if scoring.evaluator != "exact":
            figures = evaluate_cell(truth, cell.detections, sigmas, scoring.protocol, scoring.evaluator)
        draws = None if weights is None else resample(prepared, weights)
        if number == 0:
            clean_figures, clean_draws = figures, draws
        cell_rows = [_row(cell.attack, keypoints, key, found) for key, found in figures.items()]
        if draws is not None:
            bounds = ap_intervals(draws)
            for row, low, high in zip(cell_rows, bounds.lo, bounds.hi, strict=True):
                row |= {"ap_lo": low, "ap_hi": high}
        if number:
            for row, (key, found) in zip(cell_rows, figures.items(), strict=True):
                row["drop"] = 100 * (clean_figures[key].ap - found.ap)
            _add_intervals(cell_rows, clean_draws, draws)
            _add_remaining(cell_rows, truth, sigmas, cells[0], cell, scoring)
        rows += cell_rows
        advance()
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS[4:]))
    table["p_adjusted"] = holm(table["p"].to_numpy(dtype=np.float64))
    return table


def _row(attack: Attack | None, keypoints: Sequence[str], key: Key, figures: Figures) -> dict[str, object]:
    where: dict[str, object] = {"level": "clean"}
    if attack is not None:
        where = {"level": attack.level, "fill": attack.fill, "target": attack.target, "radius": attack.radius}
        where["placement"] = str(attack.placement)
    return where | {"keypoint": keypoints[key] if isinstance(key, int) else "all"} | asdict(figures)


def _add_intervals(rows: list[dict[str, object]], clean: Resampled | None, attacked: Resampled | None) -> None:
    if clean is None or attacked is None:
        return
    for row, found in zip(rows, compare(clean, attacked), strict=True):
        row |= {"drop_lo": found.drop_lo, "drop_hi": found.drop_hi, "drop_se": found.drop_se, "p": found.p}


def _add_remaining(
    rows: list[dict[str, object]],
    truth: GroundTruth,
    sigmas: np.ndarray,
    clean: ScoredCell,
    cell: ScoredCell,
    scoring: Scoring,
) -> None:
    """The drop over the persons in whom a keypoint lies outside the painted region (Fig. 8 of the thesis).

    NaN with fewer than :data:`MIN_PERSONS` of them: of a part's own keypoints few persons remain.
    """
    if cell.attack is None or cell.attack.level != "part":
        return
    visible = outside(truth, cell.covered, scoring.protocol)
    labelled = truth.visibility > 0
    masks = {
        key: visible & labelled if mask is None else mask & visible
        for key, mask in cell_masks(len(truth), len(sigmas)).items()
    }
    before, after = (
        evaluate_cell(truth, c.detections, sigmas, scoring.protocol, scoring.evaluator, masks) for c in (clean, cell)
    )
    for row, key in zip(rows, masks, strict=True):
        n = after[key].n
        drop = 100 * (before[key].ap - after[key].ap) if n >= MIN_PERSONS else np.nan
        row |= {"n_remaining": n, "drop_remaining": drop}


def score_results(
    dataset: Dataset, predictions: Detections, clean: Detections | None, scoring: Scoring
) -> pd.DataFrame:
    """Score results that come from elsewhere.

    Args:
        dataset: Whose truth.
        predictions: The results.
        clean: Results on the photos as they were; with them, drops and their intervals are given.
        scoring: How.

    Returns:
        Rows as of :func:`score_cells`; level ``clean`` for the clean results, ``results`` for the others.
    """
    covered = np.zeros(dataset.truth.visibility.shape, dtype=bool)
    given = [predictions] if clean is None else [clean, predictions]
    cells = [ScoredCell(None, detections, covered) for detections in given]
    table = score_cells(dataset.truth, dataset.sigmas, dataset.skeleton.keypoints, cells, scoring)
    table["level"] = np.repeat(["clean", "results"][-len(cells) :], len(table) // len(cells))
    return table


def covered_by_truth(dataset: Dataset, covered: np.ndarray) -> np.ndarray:
    """Covered keypoints by annotated person, from those by box.

    Args:
        dataset: Whose persons (boxes) and truth.
        covered: Shape (N, K), bool, by box.

    Returns:
        Shape (G, K), bool, by annotation.
    """
    result = np.zeros((len(dataset.truth), covered.shape[1]), dtype=bool)
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    for person, hidden in zip(dataset.persons, covered, strict=True):
        if person.annotation is not None:
            result[row[person.annotation]] |= hidden
    return result
