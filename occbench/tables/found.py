"""Whom an estimator of whole photos finds at all: the share of persons with a prediction (PROTOCOL section 9)."""

from __future__ import annotations

import numpy as np

from ..data.persons import Dataset
from ..evaluation.bootstrap import Weights, ap_intervals, compare
from ..evaluation.cells import Key
from ..evaluation.pck import Hits
from ..evaluation.rates import Group, RateTable, resample_rates
from ..inference.predictions import CellPredictions
from .rows import Row
from .scoring import Scoring


class FoundScorer:
    """Counts who is matched, each cell against the clean one.

    Args:
        dataset: Whose persons the rows of a cell are.
        scoring: How; the draws are those of the run's intervals.
        clean: The clean cell.
    """

    def __init__(self, dataset: Dataset, scoring: Scoring, clean: CellPredictions) -> None:
        truth, owner = dataset.truth, dataset.owners()
        counts = (truth.num_keypoints > 0) & ~truth.crowd
        labelled = np.array([person.labelled for person in dataset.persons], dtype=bool)
        self._counted = np.column_stack([np.ones(len(labelled), dtype=bool), labelled]) & counts[owner][:, None]
        self._image = np.searchsorted(truth.image_ids, [person.photo.id for person in dataset.persons])
        nothing = np.empty((0, len(truth.image_ids)))
        self._weights = scoring.weights(len(truth.image_ids)) or Weights(nothing, nothing)
        groups: dict[Key, Group] = {None: Group((0,))}
        groups |= {k: Group((k + 1,)) for k in range(labelled.shape[1])}
        self._table = RateTable("found", Hits(self._counted, self._counted), groups)
        self._clean = resample_rates(self._of(clean), self._image, self._weights)

    def _of(self, cell: CellPredictions) -> RateTable:
        there = np.isfinite(cell.scores).all(1)
        return RateTable("found", Hits(self._counted & there[:, None], self._counted), self._table.groups)

    def columns(self, cell: CellPredictions) -> list[Row]:
        """Of a cell, over all persons and then over those with each keypoint labelled: the share that was found.

        Of an attack also what it costs, in points (x 100), with an interval that is paired by photo.
        """
        if cell.attack is None:
            found = self._clean
            rows: list[Row] = [{} for _ in found.keys]
        else:
            found = resample_rates(self._of(cell), self._image, self._weights)
            rows = [
                {"drop_found": d.drop, "drop_found_lo": d.drop_lo, "drop_found_hi": d.drop_hi, "p_found": d.p}
                for d in compare(self._clean, found)
            ]
        bounds = ap_intervals(found)
        for row, value, low, high in zip(rows, found.ap.tolist(), bounds.lo.tolist(), bounds.hi.tolist(), strict=True):
            row |= {"found": value, "found_lo": low, "found_hi": high}
        return rows
