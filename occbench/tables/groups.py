"""groups.csv: figures by group, as the data set prints them: joint groups and limbs, or levels of crowding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pandas as pd

from ..inference.predictions import CellPredictions
from .finished import FinishedRun
from .rows import Row, cell_columns, size_of
from .table import CELL, RUN, Column, PerCell, bounds, number, text
from .told import told, verdict

_VERDICT = verdict("drop", "the drops of its `family`")


class Groups(PerCell):
    """Beside each group the mean over all, for rates of correct joints."""

    name = "groups"
    kept_as = "groups"
    about = "one row per cell, metric and group"
    needs = "a data set with joint groups (MPII, LSP, FLIC) or levels of crowding (CrowdPose)"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "metric": text("what the group is scored with: `PCKh@0.5`, `PCP@0.5`, `AP`, ..."),
        "group": text("a group of joints, a limb, a level of crowding, or `Mean`"),
        "n": number("persons or joints that count"),
        "value": number("the figure of `metric`, a fraction"),
        **bounds("value", "`value`"),
        "drop": number("clean minus attacked, of the same persons, points (x 100): of the exact AP, or of `value`"),
        **bounds("drop", "`drop`, points, paired by photo"),
        "drop_se": number("standard error of `drop`, points"),
        **{name: column for name, column in _VERDICT.items() if name != "clear"},
        "drop_grid": number("`value` clean minus attacked as printed, points"),
        "photos": number("photos in which the attack changed anything that the figure is made of; below 6 no interval"),
        "family": text("the drops that are adjusted together: of one level, radius, placement and metric"),
        "clear": _VERDICT["clear"],
    }

    def applies(self, run: FinishedRun) -> bool:
        """Where the data set has groups."""
        return run.dataset.metric != "oks" or bool(run.dataset.levels)

    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        """See :class:`~.table.PerCell`."""
        if cell.attack is None:
            return run.judge.groups(None)
        where = f"{cell.attack.level} r={size_of(cell_columns(cell.attack))} {cell.attack.placement}"
        return [row | {"family": f"{where}: {row['metric']}"} for row in run.judge.groups(cell)]

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by family (Holm)."""
        table = super().frame(rows)
        return told(table, table["family"], "drop")
