"""A table of the report: one object that the page, CSV, Markdown and LaTeX are all written from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from ..findings.controls import Estimate
from ..reading.drops import Drop, Saving
from ..reading.names import brackets, number


@dataclass(frozen=True)
class Radius(Estimate):
    """A radius read off a curve, crop px: ``least`` stands for "that or less", infinity for "more than ``most``"."""

    least: float = math.nan
    most: float = math.nan


Value: TypeAlias = "str | float | Drop | Estimate"

Kind = Literal["text", "count", "ap", "points", "px", "plain"]
"""text: left; count: 0 decimals; ap: a fraction, 4; points: x 100, 2; px: crop px, as short as it is; plain: 3."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: Its name in CSV files, unique in the table.
        head: Its heading.
        kind: How its numbers are written.
        fill: The fill it is about, for a swatch of its colour; empty for none.
        group: A heading over several neighbouring columns; empty for none.
        intervals: Whether intervals are shown beside its values; CSV files always have them.
    """

    key: str
    head: str
    kind: Kind = "text"
    fill: str = ""
    group: str = ""
    intervals: bool = True

    @property
    def is_number(self) -> bool:
        """Whether it is aligned to the right."""
        return self.kind != "text"


@dataclass(frozen=True)
class Row:
    """One row: a value per column. ``keys``: what it is about, as data- attributes. ``note``: such as ``published``."""

    values: tuple[Value, ...]
    keys: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table. ``folded``: the page shows it on demand. ``tinted``: the page tints drops by their size."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: bool = False
    tinted: bool = False
    shown: int | None = None
    """How many rows the page shows at most; the files have all."""
    stacked: bool = False
    """Whether the page sets intervals under their numbers, for narrow columns."""

    @property
    def page_rows(self) -> tuple[Row, ...]:
        """The rows that the page shows."""
        return self.rows[: self.shown]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over columns with the number of columns under each; empty where no column has one."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return found if any(name for name, _ in found) else []

    @cached_property
    def deepest(self) -> float:
        """The largest |drop| of the table; 0 without any."""
        drops = (v.value for row in self.rows for v in row.values if isinstance(v, Drop))
        return max((abs(v) for v in drops if not math.isnan(v)), default=0.0)


_DIGITS: dict[str, int] = {"count": 0, "ap": 4, "points": 2, "plain": 3}


def shown(value: Value, kind: Kind) -> str:
    """A value without its interval."""
    if isinstance(value, str):
        return value
    if isinstance(value, Saving):
        return _signed(number(value.value, _DIGITS.get(kind, 2)))
    bare = value.value if isinstance(value, (Drop, Estimate)) else value
    if isinstance(value, Radius):
        return _radius(bare, value)
    if kind == "px":
        return number(bare, 0 if float(bare).is_integer() else 1)
    return number(bare, _DIGITS.get(kind, 2))


def _radius(radius: float, of: Radius) -> str:
    if math.isinf(radius):
        return f"> {of.most:g}"
    return f"≤ {of.least:g}" if radius <= of.least else number(radius, 1)


def interval(value: Value, kind: Kind) -> str:
    """The interval of a value in brackets; empty where it has none."""
    if isinstance(value, Radius):
        known = not (math.isnan(value.low) or math.isnan(value.high))
        return f"[{_radius(value.low, value)}, {_radius(value.high, value)}]" if known else ""
    if isinstance(value, Saving) and value.has_interval:
        return f"[{_signed(number(value.low, 1))}, {_signed(number(value.high, 1))}]"
    if isinstance(value, (Drop, Estimate)):
        return brackets(value.low, value.high, 3 if kind in ("ap", "plain") else 1)
    return ""


def _signed(text: str) -> str:
    """With a plus before what is above zero."""
    return f"+{text}" if text[0].isdecimal() and text.strip("0.") else text


def heads(columns: Sequence[Column]) -> list[str]:
    """Headings for a format without grouped ones."""
    return [f"{c.group}: {c.head}" if c.group else c.head for c in columns]
