"""A finished run that lies in no folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from occbench.attacks import Attack
from occbench.data.persons import Dataset
from occbench.inference.predictions import GEOMETRY, CellPredictions
from occbench.tables.finished import FinishedRun
from occbench.tables.scoring import Scoring

NAMES = {"model": "made-model", "dataset": "made", "boxes": "gt", "protocol": "corrected"}


@dataclass(frozen=True, eq=False)
class MadeRun(FinishedRun):
    """Its cells are those given, and every padded box has the same area."""

    made: Mapping[Attack | None, CellPredictions] = field(default_factory=dict)
    area: float = 0

    def _read(self, attack: Attack | None) -> CellPredictions:
        return self.made[attack]

    @property
    def geometry(self) -> np.ndarray:  # type: ignore[override]  # it is cached where it is read from a file
        found = np.ones((len(self.dataset.persons), len(GEOMETRY)), dtype=np.float32)
        found[:, 2] = self.area
        return found


def made_run(
    dataset: Dataset, scoring: Scoring, cells: Mapping[Attack | None, CellPredictions], area: float
) -> MadeRun:
    """A run of these cells; the order of the attacks is theirs."""
    attacks = [attack for attack in cells if attack is not None]
    return MadeRun(Path("nowhere"), dataset, scoring, (192, 256), attacks, NAMES, made=cells, area=area)
