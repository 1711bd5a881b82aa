"""Scores cells by COCO's AP: figures, drops, intervals (PROTOCOL section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.bootstrap import (
    MIN_PERSONS,
    Comparison,
    Resampled,
    Weights,
    ap_intervals,
    compare,
    prepare,
    resample,
)
from ..evaluation.cells import Evaluator, Key, Protocol, cell_masks, evaluate_cell, outside
from ..evaluation.oks import keypoint_similarity
from ..evaluation.pose_nms import PoseNms
from ..evaluation.types import Detections, Figures, GroundTruth
from .rows import Row, cell_columns


@dataclass(frozen=True, eq=False)
class ScoredCell:
    """What a cell's rows are made from.

    Attributes:
        attack: None for the clean cell.
        detections: Predicted persons.
        covered: Shape (G, K), bool: labelled keypoints of each annotated person inside the painted region.
        attacked: Shape (G,), bool: annotated persons whom the attack changed.
    """

    attack: Attack | None
    detections: Detections
    covered: np.ndarray
    attacked: np.ndarray


@dataclass(frozen=True)
class Scoring:
    """How cells are scored.

    Attributes:
        protocol: ``corrected`` or ``thesis``.
        evaluator: ``exact``, or ``pycocotools`` for the official figures.
        draws: Bootstrap draws; 0 for no intervals.
        seed: Of the draws.
        pose_nms: The rule of pose NMS in place of OKS-NMS; None for OKS-NMS.
    """

    protocol: Protocol = "corrected"
    evaluator: Evaluator = "exact"
    draws: int = 1000
    seed: int = 0
    pose_nms: PoseNms | None = None

    def plain(self) -> dict[str, Any]:
        """The attributes as plain values; the rule of pose NMS as its text, and left out where there is none."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        rule = values.pop("pose_nms")
        return values if rule is None else {**values, "pose_nms": str(rule)}

    def weights(self, images: int) -> Weights | None:
        """The draws of the run's bootstrap over so many photos; None without draws."""
        if not self.draws:
            return None
        return Weights.draw(images, self.draws, rng=np.random.default_rng(self.seed), jackknife=False)


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
        nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
        self._no_weights = Weights(nothing, nothing)
        self._clean_remaining: dict[bytes, Resampled] = {}

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
            row["drop"] = 100 * (self._clean_figures[key].exact - found.exact)
            row["drop_grid"] = 100 * (self._clean_figures[key].ap - found.ap)
        if self._clean_draws is not None and draws is not None:
            for row, drop in zip(rows, compare(self._clean_draws, draws), strict=True):
                row |= {"photos": drop.photos, "drop_lo": drop.drop_lo, "drop_hi": drop.drop_hi}
                row |= {"drop_se": drop.drop_se, "p": drop.p}
        self._add_remaining(rows, cell)
        return rows

    def _add_remaining(self, rows: list[Row], cell: ScoredCell) -> None:
        """The drop over the attacked persons in whom a keypoint lies outside the painted region (thesis, Fig. 8)."""
        if cell.attack is None or cell.attack.level != "part":
            return
        remaining = remaining_keypoints(self._truth, cell.covered, cell.attacked, self._scoring.protocol)
        same = np.packbits(remaining).tobytes()  # as other fills on the same part leave them
        if same not in self._clean_remaining:
            self._clean_remaining[same] = self._of_remaining(self._clean, remaining)
        before, after = self._clean_remaining[same], self._of_remaining(cell, remaining)
        for row, found in zip(rows, compare(before, after), strict=True):
            row |= remaining_columns(found)

    def _of_remaining(self, cell: ScoredCell, remaining: np.ndarray) -> Resampled:
        masks = {
            key: remaining if mask is None else mask & remaining
            for key, mask in cell_masks(len(self._truth), len(self._sigmas)).items()
        }
        prepared = prepare(self._truth, cell.detections, self._sigmas, self._scoring.protocol, masks)
        return resample(prepared, self._weights or self._no_weights)

    def _rows(self, attack: Attack | None, figures: dict[Key, Figures], draws: Resampled | None) -> list[Row]:
        rows = [_row(attack, self._keypoints, key, found) for key, found in figures.items()]
        if draws is not None:
            bounds = ap_intervals(draws)
            for row, low, high in zip(rows, bounds.lo, bounds.hi, strict=True):
                row |= {"ap_lo": low, "ap_hi": high, "value_lo": low, "value_hi": high}
        return rows


def _row(attack: Attack | None, keypoints: Sequence[str], key: Key, figures: Figures) -> Row:
    name = keypoints[key] if isinstance(key, int) else "all"
    figured = asdict(figures) | {"ap_exact": figures.exact, "metric": "AP", "value": figures.ap}
    return cell_columns(attack) | {"keypoint": name} | figured


def remaining_keypoints(
    truth: GroundTruth, covered: np.ndarray, attacked: np.ndarray, protocol: Protocol
) -> np.ndarray:
    """The labelled keypoints that an attack leaves uncovered: of attacked persons; ``thesis`` takes everybody's.

    Args:
        truth: Annotated persons.
        covered: Shape (G, K), bool: keypoints inside the painted region.
        attacked: Shape (G,), bool.
        protocol: See `occbench.evaluation.cells.outside`.

    Returns:
        Shape (G, K), bool.
    """
    remaining = outside(truth, covered, protocol) & (truth.visibility > 0)
    return remaining if protocol == "thesis" else remaining & attacked[:, None]


def remaining_columns(found: Comparison) -> Row:
    """The drop of a remaining keypoint, with fewer than :data:`MIN_PERSONS` persons as not measurable."""
    drop = found.drop if found.n >= MIN_PERSONS else np.nan
    row: Row = {"n_remaining": found.n, "drop_remaining": drop, "p_remaining": found.p}
    return row | {"drop_remaining_lo": found.drop_lo, "drop_remaining_hi": found.drop_hi}


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
    """What is said of boxes, by annotated person: which keypoints are covered, or whether they are attacked.

    Args:
        dataset: Whose persons (boxes) and truth.
        covered: Shape (N, K) or (N,), bool, by box.

    Returns:
        Shape (G, K) or (G,), bool, by annotation.
    """
    result = np.zeros((len(dataset.truth), *covered.shape[1:]), dtype=bool)
    owner = dataset.owners()
    np.logical_or.at(result, owner[owner >= 0], covered[owner >= 0])
    return result
