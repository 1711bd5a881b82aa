"""Rows of a run's tables, before they are a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..attacks import Attack

Row = dict[str, Any]
"""Of a table: a column's name to its value; what is missing is not measurable."""


def cell_columns(attack: Attack | None) -> Row:
    """The columns that say which cell a row is of."""
    if attack is None:
        return {"level": "clean"}
    columns: Row = {"level": attack.level, "fill": attack.fill, "target": attack.target, "radius": attack.radius}
    return columns | {"radius_share": attack.share, "placement": str(attack.placement)}


def size_of(row: Row) -> str:
    """The radius of a row's attack: in crop px, or of the crop's width."""
    share = row.get("radius_share")
    return f"{row['radius']:g}" if share is None or share != share else f"{share:g}w"


def plain(row: Row) -> Row:
    """A row for JSON: what is not measurable is null."""
    values = {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in values.items()
    }
