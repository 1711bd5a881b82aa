"""Every attacked cell of a run in one line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from .drops import NO_DROP, Drop, drop_of, mean_of, with_family
from .load import Run
from .names import order_fills
from .slices import ALL, by_question, order_targets


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
    keys = ["level", "target", "placement", "radius", "fill"]
    attacked = run.cells[run.cells["level"] != "clean"]
    whole = attacked["keypoint"] == ALL
    attacked = pd.concat([with_family(attacked[whole]), by_question(run, attacked[~whole])])
    rows = [_cell_row(run, cell) for _, cell in attacked.groupby(keys, sort=False)]
    fills = order_fills(attacked["fill"])
    places = {level: order_targets(run, level, attacked["target"]) for level in set(attacked["level"])}
    return sorted(
        rows,
        key=lambda r: (r.level, places[r.level].index(r.target), r.placement, r.radius, fills.index(r.fill)),
    )


def _cell_row(run: Run, cell: pd.DataFrame) -> CellRow:
    first = cell.iloc[0]
    is_whole = cell["keypoint"] == ALL
    is_own = cell["keypoint"].isin(run.manifest.skeleton.own_keypoints(first["level"], first["target"]))
    whole = cell[is_whole].iloc[0] if is_whole.any() else None
    others = cell[~is_whole & ~is_own & cell["drop"].notna()]
    worst = others.iloc[int(others["drop"].to_numpy().argmax())] if len(others) else None
    own = [drop_of(row) for _, row in cell[is_own].iterrows()]
    return CellRow(
        target=first["target"],
        level=first["level"],
        fill=first["fill"],
        radius=float(first["radius"]),
        placement=first["placement"],
        n=float(whole["n"]) if whole is not None else math.nan,
        n_attacked=float(first["n_attacked"]),
        n_short=float(first["n_short"]),
        ap=float(whole["ap"]) if whole is not None else math.nan,
        drop=drop_of(whole) if whole is not None else NO_DROP,
        own=own[0] if len(own) == 1 else mean_of(own),
        worst=drop_of(worst) if worst is not None else NO_DROP,
        worst_keypoint=str(worst["keypoint"]) if worst is not None else "",
    )
