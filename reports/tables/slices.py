"""Drops by slices of the persons, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from occbench.tables.slices import SliceDrop

from ..reading.drops import Drop
from .table import Column, Row, Table


def slices_table(by: str, drops: Sequence[SliceDrop]) -> Table:
    """A row for each slice and attack."""
    columns = (
        Column("by", "by"),
        Column("slice", "persons"),
        Column("fill", "fill"),
        Column("target", "hidden"),
        Column("radius", "r, px", "px"),
        Column("placement", "placement"),
        Column("n", "n", "count"),
        Column("clean", "clean AP", "ap"),
        Column("attacked", "attacked AP", "ap"),
        Column("drop", "drop", "points"),
    )
    rows = [
        Row(
            (
                *(one.by, one.slice, one.fill, one.target, one.radius, one.placement, float(one.n)),
                *(one.clean, one.attacked, Drop(one.drop, one.drop_lo, one.drop_hi, one.p_adjusted)),
            ),
            {"fill": one.fill, "target": one.target},
        )
        for one in drops
    ]
    caption = (
        f"Drops by {by}, AP points (× 100) [95 % interval, paired by photo], p corrected (Holm) over all of the table. "
        "n: persons of the slice that count; a dash: fewer than 10."
    )
    return Table("by", caption, columns, tuple(rows), tinted=True)
