"""Scores cells by AP over the photos of each level of crowding: CrowdPose."""

from __future__ import annotations

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.levels import LevelDraws, LevelFigures
from .rates import rate_figures
from .rows import Row, cell_columns
from .scoring import ScoredCell, Scoring


class LevelScorer:
    """Scores cells by AP over the images of each level (CrowdPose's easy, medium, hard).

    Args:
        dataset: With levels.
        scoring: How.
        clean: The clean cell.
    """

    def __init__(self, dataset: Dataset, scoring: Scoring, clean: ScoredCell) -> None:
        self._truth, self._sigmas, self._scoring = dataset.truth, dataset.sigmas, scoring
        self._draws = LevelDraws(dataset.truth, dataset.levels or {}, scoring.weights(len(dataset.truth.image_ids)))
        self._clean = self._draws.evaluate(dataset.truth, clean.detections, dataset.sigmas, scoring.protocol)

    def clean_groups(self) -> list[Row]:
        """The rows of groups.csv of the clean cell."""
        return self._rows(None, self._clean, against_clean=False)

    def groups(self, cell: ScoredCell) -> list[Row]:
        """The rows of groups.csv of a cell."""
        found = self._draws.evaluate(self._truth, cell.detections, self._sigmas, self._scoring.protocol)
        return self._rows(cell.attack, found)

    def _rows(self, attack: Attack | None, found: LevelFigures, against_clean: bool = True) -> list[Row]:
        rows = []
        for level, (prepared, draws) in found.items():
            figures, before = prepared.figures[None], self._clean[level][0].figures[None]
            row: Row = {"n": figures.n, "value": figures.ap}
            if against_clean:
                row |= {"drop": 100 * (before.exact - figures.exact), "drop_grid": 100 * (before.ap - figures.ap)}
            if draws is not None:
                ((_, row),) = rate_figures(draws, self._clean[level][1] if against_clean else None)
            rows.append(cell_columns(attack) | {"metric": "AP", "group": level} | row)
        return rows
