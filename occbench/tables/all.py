"""Every table of a run, and how it is read back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..system.errors import OccbenchError, unknown_name
from .cells import Cells
from .confidence import Confidence
from .controls import Controls
from .dose import ShareTable
from .errors import ErrorTable
from .groups import Groups
from .knows import KnowsTable
from .natural import Natural
from .refinement import Refinement
from .split import Split
from .stages import Stages
from .table import Table

TABLES: list[Table] = [
    Cells(),
    Groups(),
    Confidence(),
    KnowsTable(),
    ErrorTable(),
    ShareTable(),
    Natural(),
    Controls(),
    Split(),
    Stages(),
    Refinement(),
]
"""In the order in which they are made. What is here is written, verified, documented and read back."""


def find_table(name: str) -> Table:
    """A table by its name.

    Raises:
        OccbenchError: There is none of this name.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise unknown_name("table", name, [table.name for table in TABLES])


def read_table(run: Path, name: str) -> pd.DataFrame:
    """Read a table of a finished run.

    Args:
        run: The run folder.
        name: Of a table, as ``cells``.

    Returns:
        The table's columns in their order: numbers as float64, words as str; NaN where the file is empty, and in
        columns that a run of an older occbench does not have.

    Raises:
        OccbenchError: There is no such table, the run does not have it, or the file is damaged.
    """
    table = find_table(name)
    file = run / table.file
    if not file.is_file():
        raise OccbenchError(f"{str(run)!r} has no {table.file}, which needs {table.needs}")
    try:
        found = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""]).reindex(columns=list(table.columns))
        numbers = [column for column, about in table.columns.items() if about.kind == "number"]
        return found.astype({**dict.fromkeys(table.columns, object), **dict.fromkeys(numbers, float)})
    except (OSError, ValueError) as error:
        raise OccbenchError(f"{str(file)!r} cannot be read ({error}); write the run anew") from error
