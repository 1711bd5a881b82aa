"""The scores of a run's cells: from their predictions, and kept beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..data.persons import Dataset
from ..inference.predictions import CellPredictions, cell_slug, to_crop
from ..runs import about, durable
from ..runs.parquet import read_cell
from ..runs.store import PREDICTIONS, read_geometry
from ..system.errors import OccbenchError
from .attraction import attraction
from .confidence import confidence_rows
from .controls import control_rows
from .judge import Judge, judge, yardstick
from .natural import natural_rows
from .scoring import EVALUATION, Row, Scoring, own_similarity


class CellScores:
    """Scores the finished cells of a run folder.

    Args:
        out: The run folder.
        dataset: What was measured on.
        scoring: How cells are scored.
        crop_size: Width and height of the crops.
    """

    def __init__(self, out: Path, dataset: Dataset, scoring: Scoring, crop_size: tuple[int, int]) -> None:
        self._out, self._dataset, self._scoring, self._crop_size = out, dataset, scoring, crop_size

    def kept_or_computed(self, attack: Attack | None, key: str, clean_key: str) -> dict[str, Any]:
        """The scores of a cell: those that are there where the identity is the same, else computed and kept.

        Args:
            attack: Of the cell; None for the clean one.
            key: Of the cell's identity.
            clean_key: Of the clean cell's.
        """
        path = self._out / "scores" / f"{cell_slug(attack)}.json"
        scoring = {"version": EVALUATION, **asdict(self._scoring)}
        identity = {"cell": key, "clean": clean_key, "scoring": scoring, "yardstick": yardstick(self._dataset)}
        try:
            kept = json.loads(path.read_text())
            if kept["identity"] == identity:
                return dict(kept)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        scored = {"identity": identity, **self.compute(attack)}
        with durable.explained(self._out):
            durable.write(path, json.dumps(scored, allow_nan=False).encode())
        return scored

    def compute(self, attack: Attack | None) -> dict[str, Any]:
        """The rows of cells.csv, groups.csv (before Holm) and confidence.csv, and the manifest's line of a cell."""
        cell = self._clean if attack is None else self._read(attack)
        rows = self._judge.rows(None if attack is None else cell)
        groups = self._judge.groups(None if attack is None else cell)
        if attack is not None:
            self._add_attraction(rows, attack, cell)
        where = {key: rows[0].get(key) for key in ("level", "fill", "target", "radius", "placement")}
        similarity = own_similarity(self._dataset, cell.keypoints)
        found = confidence_rows(cell.scores, similarity, cell.covered, self._labelled)
        return {
            "rows": [_plain(row) for row in rows],
            "groups": [_plain(row) for row in groups],
            "confidence": [_plain(where | row) for row in found],
            "about": about.cell(cell),
        }

    def natural(self, attacks: Sequence[Attack | None]) -> list[Row]:
        """The rows of natural.csv, of the run's cells; none where the data set annotates no flags."""
        return natural_rows(self._dataset, self._scoring, self._areas, self._read, attacks)

    def controls(self, attacks: Sequence[Attack | None]) -> list[Row]:
        """The rows of controls.csv, of the run's cells; none where nothing was hidden among decoys."""
        return control_rows(self._dataset, self._scoring, self._areas, self._read, attacks)

    @classmethod
    def clean_ap(cls, out: Path, dataset: Dataset, scoring: Scoring, path: Path) -> float:
        """AP (or the figure of the data set's metric) over all keypoints of a clean cell that is none of the run's."""
        scores, fast = cls(out, dataset, scoring, (1, 1)), replace(scoring, draws=0)
        return float(judge(dataset, fast, scores._areas, read_cell(path)).rows(None)[0]["value"])

    def _read(self, attack: Attack | None) -> CellPredictions:
        cell = read_cell(self._out / PREDICTIONS / f"{cell_slug(attack)}.parquet")
        if len(cell) != len(self._dataset.persons):
            raise OccbenchError(f"the run has {len(cell)} boxes, but the data {len(self._dataset.persons)}: other data")
        return cell

    @cached_property
    def _clean(self) -> CellPredictions:
        return self._read(None)

    @cached_property
    def _geometry(self) -> np.ndarray:
        return read_geometry(self._out)

    @cached_property
    def _labelled(self) -> np.ndarray:
        return np.array([person.labelled for person in self._dataset.persons])

    @property
    def _areas(self) -> np.ndarray:
        return self._geometry[:, 2] * self._geometry[:, 3]

    @cached_property
    def _judge(self) -> Judge:
        return judge(self._dataset, self._scoring, self._areas, self._clean)

    def _add_attraction(self, rows: list[Row], attack: Attack, cell: CellPredictions) -> None:
        skeleton = self._dataset.skeleton
        own = np.isin(np.arange(len(skeleton.keypoints)), skeleton.indices(attack.level, attack.target))
        counted = cell.attacked[:, None] & self._labelled & own
        before, after = (to_crop(c.keypoints, self._geometry, self._crop_size) for c in (self._clean, cell))
        true, elsewhere = attraction(before, after, cell.centres.astype(np.float64), counted)
        for row, near, far in zip(rows, true, elsewhere, strict=True):
            row |= {"attraction": near, "attraction_decoys": far}


def _plain(row: Row) -> Row:
    """A row for JSON: what is not measurable is null."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in plain.items()}


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; what is not measurable is empty."""
    text: str = table.to_csv(index=False, float_format="%.10g")
    return text.encode()
