"""Cells scored by one process or by several."""

from __future__ import annotations

import json

from occbench.tables.cells import Cells
from occbench.tables.errors import ErrorTable
from occbench.tables.kept import score_cells

from .test_errors import made


def test_several_processes_score_as_one_does() -> None:
    scored = []
    for processes in (1, 2):
        run, told = made(), []
        lines = score_cells(run, [Cells(), ErrorTable()], advance=told.append, processes=processes)
        assert sum(told) == len(lines) == len(run.cells) == 3
        scored.append(json.dumps([run.scored[attack] for attack in run.cells]))
    assert scored[0] == scored[1]
