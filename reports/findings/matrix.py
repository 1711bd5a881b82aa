"""Which keypoints suffer when something is hidden: attacked target x affected keypoint (PROTOCOL section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from occbench.evaluation.intervals import holm

from ..reading.drops import NO_DROP, Drop, Record, drop_of, mean_of, records
from ..reading.load import Run
from ..reading.slices import Slice, maximum, order_keypoints

TOP = 5


@dataclass(frozen=True)
class MatrixRow:
    """One attacked target.

    Attributes:
        target: What was hidden.
        own: The keypoints that it consists of.
        overall: Drop over all keypoints.
        drops: By affected keypoint.
    """

    target: str
    own: frozenset[str]
    overall: Drop
    drops: dict[str, Drop]

    @property
    def own_loss(self) -> Drop:
        """Drop of what was hidden; of a part the mean over its keypoints."""
        own = [drop for name, drop in self.drops.items() if name in self.own]
        return own[0] if len(own) == 1 else mean_of(own)


@dataclass(frozen=True)
class Matrix:
    """All targets of a level under one fill."""

    level: str
    fill: str
    keypoints: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


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


def matrix(run: Run, part: Slice, fill: str) -> Matrix:
    """The interaction matrix of one level under one fill; rows and columns in the skeleton's order."""
    keypoints = tuple(order_keypoints(run, part.single["keypoint"]))
    single = _by_target(part.single[part.single["fill"] == fill])
    overall = {row["target"]: drop_of(row) for row in records(part.overall[part.overall["fill"] == fill])}
    rows = []
    for target in part.targets:
        known = {row["keypoint"]: drop_of(row) for row in single.get(target, [])}
        whole = overall.get(target, NO_DROP)
        if not known and math.isnan(whole.value):
            continue
        own = frozenset(run.manifest.skeleton.own_keypoints(part.level, target))
        rows.append(MatrixRow(target, own, whole, {k: known.get(k, NO_DROP) for k in keypoints}))
    return Matrix(part.level, fill, keypoints, tuple(rows))


def _by_target(rows: pd.DataFrame) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in records(rows):
        found.setdefault(row["target"], []).append(row)
    return found


def most_affected(run: Run, part: Slice, top: int = TOP) -> list[Panel]:
    """Per target the keypoints with the largest mean |drop| over the fills (Figs 6 and 8 of the thesis).

    A part attack is judged by its remaining keypoints: those outside the painted region (``drop_remaining``, whose n
    is ``n_remaining``), p corrected (Holm) over the slice; a keypoint attack by every keypoint, its own included. Only
    drops with an interval are ranked. Equal ones keep the skeleton's order.
    """
    value, count = ("drop_remaining", "n_remaining") if part.level == "part" else ("drop", "n")
    rows = part.single
    if part.level == "part":
        rows = rows.assign(p_remaining=holm(rows["p_remaining"].to_numpy(float)))
    targets = _by_target(rows)
    order = {name: i for i, name in enumerate(run.manifest.skeleton.keypoints)}
    panels = []
    for target in part.targets:
        mine = targets.get(target, [])
        keypoints: dict[str, list[Record]] = {}
        for row in mine:
            keypoints.setdefault(row["keypoint"], []).append(row)
        sizes = {
            k: [abs(row[value]) for row in rows if not math.isnan(row[f"{value}_lo"])] for k, rows in keypoints.items()
        }
        if not any(sizes.values()) and not run.has_intervals:  # without draws nothing has one
            sizes = {k: [abs(r[value]) for r in rows if not math.isnan(r[value])] for k, rows in keypoints.items()}
        means = {k: sum(found) / len(found) for k, found in sizes.items() if found}
        names = sorted(means, key=lambda k: (-means[k], order.get(k, len(order)), k))[:top]
        own = run.manifest.skeleton.own_keypoints(part.level, target)
        shown = tuple(_affected(keypoints[k], k, k in own, part.fills, value, count) for k in names)
        panels.append(Panel(target, maximum(row["n_attacked"] for row in mine), shown))
    return panels


def _affected(rows: Sequence[Record], name: str, own: bool, fills: Sequence[str], value: str, count: str) -> Affected:
    by_fill = {row["fill"]: row for row in rows}
    drops = {}
    for fill in fills:
        row = by_fill.get(fill)
        if row is None:
            drops[fill] = NO_DROP
        elif value == "drop":
            drops[fill] = drop_of(row)
        else:
            low, high = row["drop_remaining_lo"], row["drop_remaining_hi"]
            drops[fill] = Drop(float(row[value]), float(low), float(high), float(row["p_remaining"]))
    return Affected(name, own, maximum(row[count] for row in rows), drops)
