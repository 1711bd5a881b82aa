"""What the tables of a run have in common: a name, columns that say what they mean, and rows of a finished run.

A table is one class in a file of its own here, and one entry of :data:`~.all.TABLES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from ..inference.predictions import CellPredictions
from .finished import FinishedRun
from .rows import Row


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        meaning: One line, with its unit.
        kind: What its values are; a number that is not measurable is empty in the file.
        only: Of which runs it is, where not of all; the others' files are without it.
    """

    meaning: str
    kind: Literal["text", "number"] = "number"
    only: str = ""


def text(meaning: str) -> Column:
    """A column of words."""
    return Column(meaning, "text")


def number(meaning: str) -> Column:
    """A column of numbers."""
    return Column(meaning)


WHOLE_PHOTOS = "models that see whole photos"
"""For :attr:`Column.only`."""

RUN: Mapping[str, Column] = {
    "model": text("the estimator"),
    "dataset": text("the data set"),
    "boxes": text(
        "whose boxes: `gt`, `jitter:S`, `detector:NAME`, a file of detections; `photo`: the model needs none"
    ),
    "protocol": text("`corrected` or `thesis`"),
}
"""The columns that are the same in every row of a run."""

CELL: Mapping[str, Column] = {
    "level": text("`clean`, or what is hidden: a `keypoint` or a `part`"),
    "fill": text("what it is painted over with; empty for the clean cell"),
    "target": text("the keypoint or part that is hidden; empty for the clean cell"),
    "radius": number("of the disc, or the margin around a part, crop px"),
    "radius_share": number("of the crop's width, where the radius was given so"),
    "placement": text("`centred`, `jittered`, `decoys:N` or `placebo`; empty for the clean cell"),
}
"""The columns that say which cell a row is of."""


def bounds(name: str, what: str) -> dict[str, Column]:
    """The two columns of a 95 % interval."""
    return {f"{name}_{end}": number(f"{which} end of the 95 % interval of {what}") for end, which in _ENDS.items()}


_ENDS = {"lo": "lower", "hi": "upper"}


class Table(ABC):
    """A CSV of a run folder. Its rows are made from a finished run's predictions, and from nothing else.

    Attributes:
        name: Of the file, without ``.csv``.
        about: One line: what a row is.
        needs: What a run must have for it.
        columns: In the order of the file.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[str] = "a finished run"
    columns: ClassVar[Mapping[str, Column]]

    @property
    def file(self) -> str:
        """Its name in a run folder."""
        return f"{self.name}.csv"

    def applies(self, run: FinishedRun) -> bool:
        """Whether a run has this table."""
        return True

    @abstractmethod
    def rows(self, run: FinishedRun) -> list[Row]:
        """The rows, without the columns that name the run, as far as they are measurable.

        Raises:
            OccbenchError: Predictions are missing, damaged, or of other data.
        """

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Rows as a table of the columns but those that name the run; numbers are float64, NaN where not measurable.

        A column that not every run has is there where a row has it.
        """
        there = {name for row in rows for name in row}
        kept = {n: column for n, column in self.columns.items() if n not in RUN and (not column.only or n in there)}
        table = pd.DataFrame(rows, columns=list(kept))
        numbers = [name for name, column in kept.items() if column.kind == "number"]
        table[numbers] = table[numbers].astype(np.float64)
        return table

    def of(self, run: FinishedRun) -> pd.DataFrame:
        """The whole table of a run."""
        named = {name: value for name, value in run.names.items() if name in self.columns}
        found = self.frame(self.rows(run)).assign(**named)
        return found[[name for name in self.columns if name in found]]


class PerCell(Table):
    """A table whose rows are of one cell each, beside the clean one: they are kept, cell by cell (see :mod:`~.kept`).

    Attributes:
        kept_as: The name of its rows in what is kept.
    """

    kept_as: ClassVar[str]

    @abstractmethod
    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        """The rows of one cell of a run, the clean one among them."""

    def rows(self, run: FinishedRun) -> list[Row]:
        """Those of all cells, in the run's order; cells that are not scored yet are scored here."""
        found: list[Row] = []
        for attack in run.cells:
            scored = run.scored.get(attack, {})
            found += scored[self.kept_as] if self.kept_as in scored else self.of_cell(run, run.read(attack))
        return found


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; what is not measurable is empty."""
    content: str = table.to_csv(index=False, float_format="%.10g")
    return content.encode()
