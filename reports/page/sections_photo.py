"""Sections on models that see whole photos."""

from __future__ import annotations

from collections.abc import Iterator

from ..reading.load import Run
from ..tables.grouping import READING, grouping_table, has_grouping, mixed_sentence
from .page import Block, Prose
from .plots import PlotFolder
from .shared import table_block


def grouping_blocks(run: Run, plots: PlotFolder) -> Iterator[Block]:
    """Whether an attack mixes people up, or loses joints."""
    if not has_grouping(run):
        return
    yield Prose(READING)
    yield Prose(mixed_sentence(run), "reading")
    table = grouping_table(run)
    if table.rows:
        yield table_block(table, plots)
