"""A finished run, read lazily: what its tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import Attack
from ..data.persons import Dataset
from ..inference.predictions import CellPredictions, cell_slug
from ..runs.parquet import read_cell
from ..runs.store import PREDICTIONS, read_geometry
from ..system.errors import OccbenchError
from ..system.processes import cores
from .found import FoundScorer
from .judge import Judge, judge
from .keypoint_draws import Aps, Rates, figures_of
from .migration import Migration
from .rates import by_annotation
from .scoring import Scoring

WORTH_PROCESSES = 20_000
"""Boxes times cells from which on several processes are started."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The predictions of a run folder, and what they are scored with.

    Attributes:
        folder: The run folder.
        dataset: What was measured on.
        scoring: How cells are scored.
        crop_size: Width and height of the crops, px.
        attacks: Of the cells, in the order of the tables; the clean cell comes before them.
        names: The run's values of the columns :data:`~.table.RUN`.
        redetected: Whether the detector saw the attacked photos too.
        scope: ``person`` or ``image``: who is hidden.
        visibility: Whether the estimator says how visible a keypoint is: ``beside`` the scores, or as the ``scores``.
        window: Side of what the model's fine network looks at around a coarse point, crop px; None where there is none.
        scored: By cell, rows that are known already; None for the clean one.
    """

    folder: Path
    dataset: Dataset
    scoring: Scoring
    crop_size: tuple[int, int]
    attacks: Sequence[Attack]
    names: Mapping[str, str]
    redetected: bool = False
    scope: str = "person"
    visibility: str = ""
    window: int | None = None
    scored: dict[Attack | None, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def cells(self) -> list[Attack | None]:
        """Every cell; None for the clean one, which is the first."""
        return [None, *self.attacks]

    def read(self, attack: Attack | None) -> CellPredictions:
        """The predictions of a cell.

        Raises:
            OccbenchError: They are missing, damaged, or of other data.
        """
        return self.clean if attack is None else self._read(attack)

    def processes(self, cells: int) -> int:
        """How many are worth starting to do some milliseconds of work for each person of so many cells."""
        return cores() if cells * len(self.dataset.persons) >= WORTH_PROCESSES else 1

    @cached_property
    def clean(self) -> CellPredictions:
        """The predictions of the clean cell."""
        return self._read(None)

    def _read(self, attack: Attack | None) -> CellPredictions:
        cell = read_cell(self.folder / PREDICTIONS / f"{cell_slug(attack)}.parquet")
        if len(cell) != len(self.dataset.persons):
            raise OccbenchError(f"the run has {len(cell)} boxes, but the data {len(self.dataset.persons)}: other data")
        return cell

    def visibilities(self, cell: CellPredictions) -> np.ndarray | None:
        """How visible the estimator says each keypoint of a cell is, (N, K); None where it says nothing about that."""
        if self.visibility != "beside":
            return cell.scores if self.visibility else None
        return cell.visibility if cell.visibility.shape[1] else np.full_like(cell.scores, np.nan)

    @cached_property
    def geometry(self) -> np.ndarray:
        """See :func:`~.runs.store.read_geometry`."""
        return read_geometry(self.folder)

    @property
    def areas(self) -> np.ndarray:
        """Of the padded boxes, shape (N,), image px squared."""
        return self.geometry[:, 2] * self.geometry[:, 3]

    @cached_property
    def labelled(self) -> np.ndarray:
        """Shape (N, K), bool: the labelled keypoints of each box."""
        return np.array([person.labelled for person in self.dataset.persons])

    @cached_property
    def photos(self) -> np.ndarray:
        """Shape (N,), int: position of each box's photo in the truth's ``image_ids``."""
        return np.searchsorted(self.dataset.truth.image_ids, [person.photo.id for person in self.dataset.persons])

    @cached_property
    def draws(self) -> np.ndarray | None:
        """How often each photo counts in each bootstrap draw, shape (B, I), float64; None without draws."""
        weights = self.scoring.weights(len(self.dataset.truth.image_ids))
        return None if weights is None else weights.draws.astype(np.float64)

    @cached_property
    def judge(self) -> Judge:
        """Scores cells against the clean one."""
        return judge(self.dataset, self.scoring, self.areas, self.clean)

    @cached_property
    def found(self) -> FoundScorer | None:
        """Counts who is found, where the estimator sees whole photos; else None."""
        if self.clean.found is None:
            return None
        return FoundScorer(self.dataset, self.scoring, self.clean)

    @cached_property
    def migration(self) -> Migration:
        """Follows joints from the clean cell to others."""
        return Migration(self.dataset, self.scoring, by_annotation(self.dataset, self.clean.keypoints))

    @cached_property
    def figures(self) -> Aps | Rates:
        """Resamples the figures of single keypoints."""
        return figures_of(self.dataset, self.scoring, self.areas)
