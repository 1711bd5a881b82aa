"""Blocks that sections of every kind are made with."""

from __future__ import annotations

from ..reading.slices import Slice
from ..tables.table import Table
from .answer import conditions
from .page import Heading, TableBlock
from .plots import PlotFolder


def table_block(table: Table, plots: PlotFolder) -> TableBlock:
    """A table that is also written beside the page."""
    return TableBlock(table, f"tables/{plots.stem(table.name)}")


def level_title(part: Slice) -> Heading:
    """``Keypoint attacks, r = 6 px``."""
    return Heading(f"{part.level.capitalize()} attacks, {conditions(part)}")
