"""What a report says in numbers: pure functions from a run's cells to small tables (PROTOCOL sections 5 and 8).

AP is a fraction, drops are AP points (x 100), NaN is "no such number". Tables are lists in display order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .load import LEVELS, Run
from .style import order_fills

COCO_FIGURES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_m": "AP(M)",
    "ap_l": "AP(L)",
    "ar": "AR",
    "ar50": "AR50",
    "ar75": "AR75",
    "ar_m": "AR(M)",
    "ar_l": "AR(L)",
}
DEFAULT_RADIUS = 6.0
TOP = 5


@dataclass(frozen=True)
class Drop:
    """A loss in AP points, with its 95 % interval where the run has one."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def indistinct(self) -> bool:
        """Whether the interval contains zero; False without an interval, when nothing can be said."""
        return self.has_interval and self.low <= 0 <= self.high


NO_DROP = Drop(math.nan)


@dataclass(frozen=True)
class Slice:
    """One level of a run at one radius and placement: what the overall figures show."""

    level: str
    radius: float
    placement: str
    radii: tuple[float, ...]
    fills: tuple[str, ...]
    targets: tuple[str, ...]
    rows: pd.DataFrame


@dataclass(frozen=True)
class CleanFigure:
    """One of COCO's ten figures; ``published`` is the model's own claim, on other data or boxes."""

    name: str
    measured: float
    published: float


@dataclass(frozen=True)
class TargetRow:
    """A target's drop per fill. ``n_attacked`` is the number of persons whose crop changed."""

    target: str
    n_attacked: float
    drops: dict[str, Drop]


@dataclass(frozen=True)
class Affected:
    """One affected keypoint of one target. ``own`` marks a keypoint that the target itself consists of."""

    keypoint: str
    own: bool
    n: float
    drops: dict[str, Drop]


@dataclass(frozen=True)
class Panel:
    """The most affected keypoints of one target, worst first."""

    target: str
    n_attacked: float
    keypoints: tuple[Affected, ...]


@dataclass(frozen=True)
class RadiusCurve:
    """Drop against radius for one fill: one line per target, and their mean over the targets measured everywhere."""

    fill: str
    radii: tuple[float, ...]
    targets: dict[str, tuple[float, ...]]
    mean: tuple[float, ...]
    n_in_mean: int


@dataclass(frozen=True)
class CellRow:
    """One cell in the full table. ``own`` is the mean drop of the target's keypoints, ``worst`` the worst other one."""

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
    own: float
    worst: float
    worst_keypoint: str


@dataclass(frozen=True)
class MeanDrop:
    """Mean over the targets of a level of the overall drop under one fill."""

    level: str
    fill: str
    mean: float
    n_targets: int
    worst: float
    worst_target: str


def clean_row(run: Run, keypoint: str = "all") -> pd.Series | None:
    """The clean cell's row for ``keypoint``, if there is one."""
    rows = run.cells[(run.cells["level"] == "clean") & (run.cells["keypoint"] == keypoint)]
    return rows.iloc[0] if len(rows) else None


def clean_figures(run: Run) -> list[CleanFigure]:
    """COCO's ten figures of the clean cell, each beside the published one of the same name, if any."""
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    published = {_figure_key(name): value for name, value in run.manifest.model.published.items()}
    return [
        CleanFigure(name, float(row[column]), _fraction(published.get(column, math.nan)))
        for column, name in COCO_FIGURES.items()
    ]


def _figure_key(name: str) -> str:
    """``AP@0.5``, ``AP .5`` and ``AP50`` are one figure: ``ap50``; ``AP (M)`` and ``APM`` are ``ap_m``."""
    plain = "".join(c for c in name.lower() if c.isalnum())
    stem, rest = plain[:2], plain[2:].lstrip("0")
    rest = {"5": "50", "m": "_m", "l": "_l"}.get(rest, rest)
    return stem + rest


def _fraction(value: float) -> float:
    return value / 100 if value > 1.5 else value


def main_slice(run: Run, level: str) -> Slice | None:
    """The cells of ``level`` that stand for it: centred if run, at the protocol's radius if run, else the smallest."""
    rows = run.cells[run.cells["level"] == level]
    if rows.empty:
        return None
    placements = list(dict.fromkeys(rows["placement"]))
    placement = "centred" if "centred" in placements else placements[0]
    rows = rows[rows["placement"] == placement]
    radii = tuple(sorted(rows["radius"].dropna().unique().tolist()))
    radius = DEFAULT_RADIUS if DEFAULT_RADIUS in radii else radii[0]
    rows = rows[rows["radius"] == radius]
    return Slice(
        level=level,
        radius=radius,
        placement=placement,
        radii=radii,
        fills=tuple(order_fills(rows["fill"])),
        targets=tuple(order_targets(run, level, rows["target"])),
        rows=rows,
    )


def order_targets(run: Run, level: str, targets: Iterable[str]) -> list[str]:
    """``targets`` without repeats, in the skeleton's order; unknown ones last, by name."""
    known = run.manifest.skeleton.targets(level)
    return sorted(set(targets), key=lambda t: (known.index(t) if t in known else len(known), t))


def drop_of(row: pd.Series) -> Drop:
    """The drop of a row of cells.csv."""
    return Drop(float(row["drop"]), float(row["drop_lo"]), float(row["drop_hi"]))


def overall_drops(part: Slice) -> list[TargetRow]:
    """Drop of the AP over all keypoints, per target and fill (Figs 5 and 7 of the thesis)."""
    whole = part.rows[part.rows["keypoint"] == "all"]
    table = []
    for target in part.targets:
        mine = whole[whole["target"] == target]
        found = {row["fill"]: drop_of(row) for _, row in mine.iterrows()}
        drops = {fill: found.get(fill, NO_DROP) for fill in part.fills}
        table.append(TargetRow(target, _maximum(mine["n_attacked"]), drops))
    return table


def mean_drops(run: Run) -> list[MeanDrop]:
    """Per level and fill, the mean and the worst overall drop of the main slice, over the targets that have one."""
    table = []
    for level in LEVELS:
        part = main_slice(run, level)
        if part is None:
            continue
        rows = overall_drops(part)
        for fill in part.fills:
            drops = {r.target: r.drops[fill].value for r in rows if not math.isnan(r.drops[fill].value)}
            worst = max(drops, key=lambda t: drops[t]) if drops else ""
            mean = float(np.mean(list(drops.values()))) if drops else math.nan
            table.append(MeanDrop(level, fill, mean, len(drops), drops.get(worst, math.nan), worst))
    return table


def most_affected(run: Run, part: Slice, top: int = TOP) -> list[Panel]:
    """Per target the keypoints with the largest mean |drop| over the fills (Figs 6 and 8 of the thesis).

    A part attack is judged by its remaining keypoints: those outside the painted region (``drop_remaining``, whose n
    is ``n_remaining``); a keypoint attack by every keypoint, its own included. Equal ones keep the skeleton's order.
    """
    remaining = part.level == "part"
    rows = part.rows[part.rows["keypoint"] != "all"]
    value, count = ("drop_remaining", "n_remaining") if remaining else ("drop", "n")
    panels = []
    for target in part.targets:
        mine = rows[rows["target"] == target]
        means = mine.assign(size=mine[value].abs()).groupby("keypoint", sort=False)["size"].mean().dropna()
        order = {name: i for i, name in enumerate(run.manifest.skeleton.keypoints)}
        names = sorted(means.index, key=lambda k: (-means[k], order.get(k, len(order)), k))[:top]
        own = run.manifest.skeleton.own_keypoints(part.level, target)
        keypoints = [_affected(mine[mine["keypoint"] == k], k, k in own, part.fills, value, count) for k in names]
        panels.append(Panel(target, _maximum(mine["n_attacked"]), tuple(keypoints)))
    return panels


def _affected(rows: pd.DataFrame, name: str, own: bool, fills: Sequence[str], value: str, count: str) -> Affected:
    by_fill = {row["fill"]: row for _, row in rows.iterrows()}
    drops = {}
    for fill in fills:
        row = by_fill.get(fill)
        if row is None:
            drops[fill] = NO_DROP
        else:  # the intervals of cells.csv are those of `drop`
            drops[fill] = drop_of(row) if value == "drop" else Drop(float(row[value]))
    return Affected(name, own, _maximum(rows[count]), drops)


def radius_curves(run: Run, level: str) -> list[RadiusCurve]:
    """Overall drop against radius (Fig. 4 of the thesis), per fill with two radii or more; main placement only."""
    part = main_slice(run, level)
    if part is None or len(part.radii) < 2:
        return []
    cells = run.cells
    rows = cells[(cells["level"] == level) & (cells["placement"] == part.placement) & (cells["keypoint"] == "all")]
    curves = []
    for fill in order_fills(rows["fill"]):
        table = rows[rows["fill"] == fill].pivot(index="target", columns="radius", values="drop")
        if table.shape[1] < 2:
            continue
        targets = order_targets(run, level, table.index)
        whole = table.dropna()
        mean = whole.mean() if len(whole) else pd.Series(math.nan, index=table.columns)
        lines = {t: tuple(table.loc[[t]].to_numpy(dtype=float)[0].tolist()) for t in targets}
        radii = tuple(np.asarray(table.columns, dtype=float).tolist())
        curves.append(RadiusCurve(fill, radii, lines, tuple(float(v) for v in mean), len(whole)))
    return curves


def cell_rows(run: Run) -> list[CellRow]:
    """Every attacked cell, in the order of level, target, placement, radius and fill."""
    keys = ["level", "target", "placement", "radius", "fill"]
    attacked = run.cells[run.cells["level"] != "clean"]
    rows = [_cell_row(run, cell) for _, cell in attacked.groupby(keys, sort=False)]
    fills = order_fills(attacked["fill"])
    places = {level: order_targets(run, level, attacked["target"]) for level in set(attacked["level"])}
    return sorted(
        rows,
        key=lambda r: (r.level, places[r.level].index(r.target), r.placement, r.radius, fills.index(r.fill)),
    )


def _cell_row(run: Run, cell: pd.DataFrame) -> CellRow:
    first = cell.iloc[0]
    own_names = run.manifest.skeleton.own_keypoints(first["level"], first["target"])
    is_whole = cell["keypoint"] == "all"
    whole = cell[is_whole].iloc[0] if is_whole.any() else None
    own = cell[cell["keypoint"].isin(own_names)]["drop"].dropna()
    others = cell[~is_whole & ~cell["keypoint"].isin(own_names) & cell["drop"].notna()]
    worst = others.iloc[int(others["drop"].to_numpy().argmax())] if len(others) else None
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
        own=float(own.mean()) if len(own) else math.nan,
        worst=float(worst["drop"]) if worst is not None else math.nan,
        worst_keypoint=str(worst["keypoint"]) if worst is not None else "",
    )


def _maximum(values: Iterable[float]) -> float:
    found = [float(v) for v in values if not math.isnan(v)]
    return max(found) if found else math.nan
