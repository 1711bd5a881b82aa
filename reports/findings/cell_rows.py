"""Every attacked cell of a run in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..reading.drops import NO_DROP, Drop, Record, drop_of, mean_of, records, with_family
from ..reading.load import Run
from ..reading.names import order_fills
from ..reading.slices import ALL, by_question, order_targets


@dataclass(frozen=True)
class CellRow:
    """One cell. ``own``: mean drop of the target's keypoints; ``worst``: the largest drop of any other keypoint."""

    target: str
    level: str
    fill: str
    radius: float
    placement: str
    n: float
    n_attacked: float
    n_short: float
    ap: float
    drop: Drop
    own: Drop
    worst: Drop
    worst_keypoint: str


def cell_rows(run: Run) -> list[CellRow]:
    """Every attacked cell, in the order of level, target, placement, radius and fill."""
    attacked = run.cells[run.cells["level"] != "clean"]
    whole = attacked["keypoint"] == ALL
    cells: dict[tuple[Any, ...], list[Record]] = {}
    for row in records(pd.concat([with_family(attacked[whole]), by_question(run, attacked[~whole])])):
        key = (row["level"], row["target"], row["placement"], row["radius"], row["fill"])
        cells.setdefault(key, []).append(row)
    levels = set(attacked["level"])
    places = {level: {t: i for i, t in enumerate(order_targets(run, level, attacked["target"]))} for level in levels}
    fills = order_fills(attacked["fill"])

    def place(key: tuple[Any, ...]) -> tuple[Any, ...]:
        level, target, placement, radius, fill = key
        return level, places[level][target], placement, radius, fills.index(fill)

    return [_cell_row(run, cells[key]) for key in sorted(cells, key=place)]


def _cell_row(run: Run, cell: Sequence[Record]) -> CellRow:
    first = cell[0]
    members = run.manifest.skeleton.own_keypoints(first["level"], first["target"])
    whole = next((row for row in cell if row["keypoint"] == ALL), None)
    own = [drop_of(row) for row in cell if row["keypoint"] in members]
    others = [r for r in cell if r["keypoint"] != ALL and r["keypoint"] not in members and not math.isnan(r["drop"])]
    worst = max(others, key=lambda row: row["drop"], default=None)
    return CellRow(
        target=first["target"],
        level=first["level"],
        fill=first["fill"],
        radius=first["radius"],
        placement=first["placement"],
        n=math.nan if whole is None else whole["n"],
        n_attacked=first["n_attacked"],
        n_short=first["n_short"],
        ap=math.nan if whole is None else whole["ap"],
        drop=NO_DROP if whole is None else drop_of(whole),
        own=own[0] if len(own) == 1 else mean_of(own),
        worst=NO_DROP if worst is None else drop_of(worst),
        worst_keypoint="" if worst is None else worst["keypoint"],
    )
