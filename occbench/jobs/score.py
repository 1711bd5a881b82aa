"""The third step of a measurement: the tables of a run, from its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..data.findings import Finding
from ..runs import durable
from ..runs.identity import key_of
from ..runs.store import Store
from ..system.progress import Progress
from ..tables.all import TABLES
from ..tables.coverage import near_0, nothing_hidden
from ..tables.finished import FinishedRun
from ..tables.kept import score_cells
from ..tables.table import as_csv


@dataclass(frozen=True, eq=False)
class Scored:
    """The figures of a run.

    Attributes:
        run: What they were made from.
        tables: By name, those that the run has, as they were written.
        cells: What the manifest says of each cell.
    """

    run: FinishedRun
    tables: dict[str, pd.DataFrame]
    cells: list[dict[str, Any]]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is doubtful about them."""
        clean = self.tables["cells"].iloc[0]
        return (*near_0(float(clean["value"]), int(clean["n"])), *nothing_hidden(self.cells))


def score(finished: FinishedRun, store: Store, progress: Progress) -> Scored:
    """Make every table of a run from its predictions, and write it.

    Args:
        finished: The run, all of whose cells are there.
        store: Where they are.
        progress: Told what is done.

    Raises:
        OccbenchError: Predictions are damaged, or the folder cannot be written.
    """
    with progress.stage("scoring", len(finished.cells)) as advance:
        lines = score_cells(finished, TABLES, lambda attack: key_of(store.identity(attack)), advance)
    tables = {}
    for table in TABLES:
        progress.say(table.file)
        if table.applies(finished):
            tables[table.name] = table.of(finished)
        with durable.explained(finished.folder):
            if table.name in tables:
                durable.write(finished.folder / table.file, as_csv(tables[table.name]))
            else:
                (finished.folder / table.file).unlink(missing_ok=True)
    return Scored(finished, tables, lines)
