"""docs/tables.md, from the tables themselves: ``python -m occbench.tables.reference > docs/tables.md``."""

from __future__ import annotations

from .all import TABLES
from .table import Column, Table

_HEAD = """# The tables of a run

Every CSV of a run folder, with its columns in order. Fractions are between 0 and 1, points are fractions x 100. What is
not measurable is empty. `occbench verify RUN` computes every table again from the predictions.
"""


def reference() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *map(_section, TABLES)])


def _section(table: Table) -> str:
    lines = [f"## {table.file}", "", f"{_sentence(table.about)} Needs {table.needs}.", ""]
    lines += ["| column | kind | what |", "|---|---|---|"]
    lines += [f"| `{name}` | {column.kind} | {_cell(_meaning(column))} |" for name, column in table.columns.items()]
    return "\n".join([*lines, ""])


def _meaning(column: Column) -> str:
    return column.meaning + (f" (only in runs of {column.only})" if column.only else "")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _cell(text: str) -> str:
    """Text in a Markdown table, in which a bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
