"""Scores cells by COCO's AP: figures, drops, intervals (PROTOCOL section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, ap_intervals, compare, prepare, resample
from ..evaluation.cells import Evaluator, Key, Protocol, cell_masks, evaluate_cell, outside
from ..evaluation.oks import keypoint_similarity
from ..evaluation.types import Detections, Figures, GroundTruth
from .rows import Row, cell_columns


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

    def weights(self, images: int) -> Weights | None:
        """The draws of the run's bootstrap over so many photos; None without draws."""
        return Weights.draw(images, self.draws, rng=np.random.default_rng(self.seed)) if self.draws else None


class Scorer:
    """Scores cells of one data set, each against the clean one.

    Args:
        truth: Annotated persons.
        sigmas: Shape (K,).
        keypoints: K names.
        scoring: How.
        clean: The clean cell.
    """

    def __init__(
        self, truth: GroundTruth, sigmas: np.ndarray, keypoints: Sequence[str], scoring: Scoring, clean: ScoredCell
    ) -> None:
        self._truth, self._sigmas, self._keypoints, self._scoring = truth, sigmas, keypoints, scoring
        self._weights = scoring.weights(len(truth.image_ids))
        self._clean = clean
        self._clean_figures, self._clean_draws = self._evaluate(clean)

    def _evaluate(self, cell: ScoredCell) -> tuple[dict[Key, Figures], Resampled | None]:
        prepared = prepare(self._truth, cell.detections, self._sigmas, self._scoring.protocol)
        figures = prepared.figures
        if self._scoring.evaluator != "exact":
            figures = evaluate_cell(
                self._truth, cell.detections, self._sigmas, self._scoring.protocol, self._scoring.evaluator
            )
        return figures, None if self._weights is None else resample(prepared, self._weights)

    def clean_rows(self) -> list[Row]:
        """The rows of the clean cell."""
        return self._rows(None, self._clean_figures, self._clean_draws)

    def rows(self, cell: ScoredCell) -> list[Row]:
        """The rows of a cell: figures of AP over all keypoints, then over each, drops in AP points, intervals."""
        figures, draws = self._evaluate(cell)
        rows = self._rows(cell.attack, figures, draws)
        for row, (key, found) in zip(rows, figures.items(), strict=True):
            row["drop"] = 100 * (self._clean_figures[key].ap - found.ap)
        _add_intervals(rows, self._clean_draws, draws)
        _add_remaining(rows, self._truth, self._sigmas, self._clean, cell, self._scoring)
        return rows

    def _rows(self, attack: Attack | None, figures: dict[Key, Figures], draws: Resampled | None) -> list[Row]:
        rows = [_row(attack, self._keypoints, key, found) for key, found in figures.items()]
        if draws is not None:
            bounds = ap_intervals(draws)
            for row, low, high in zip(rows, bounds.lo, bounds.hi, strict=True):
                row |= {"ap_lo": low, "ap_hi": high, "value_lo": low, "value_hi": high}
        return rows


def _row(attack: Attack | None, keypoints: Sequence[str], key: Key, figures: Figures) -> Row:
    name = keypoints[key] if isinstance(key, int) else "all"
    return cell_columns(attack) | {"keypoint": name} | asdict(figures) | {"metric": "AP", "value": figures.ap}


def _add_intervals(rows: list[Row], clean: Resampled | None, attacked: Resampled | None) -> None:
    if clean is None or attacked is None:
        return
    for row, found in zip(rows, compare(clean, attacked), strict=True):
        row |= {"drop_lo": found.drop_lo, "drop_hi": found.drop_hi, "drop_se": found.drop_se, "p": found.p}


def _add_remaining(
    rows: list[Row],
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


def own_similarity(dataset: Dataset, keypoints: np.ndarray) -> np.ndarray:
    """How near each predicted keypoint is to that of the annotated person its box stands for.

    Args:
        dataset: Whose persons (boxes) and truth.
        keypoints: Predictions, shape (N, K, 2), image px.

    Returns:
        exp(-e) as in OKS, shape (N, K), float64; NaN where the keypoint is not labelled or the box is nobody's.
    """
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    known = np.array([person.annotation is not None for person in dataset.persons], dtype=bool)
    at = [row[person.annotation] for person in dataset.persons if person.annotation is not None]
    truth = dataset.truth
    result = np.full(keypoints.shape[:2], np.nan)
    similar = keypoint_similarity(keypoints[known], truth.keypoints[at], dataset.sigmas, truth.area[at])
    result[known] = np.where(truth.visibility[at] > 0, similar, np.nan)
    return result


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
