"""The controls: is a model robust, or does it read the occluder as a marker? (PROTOCOL section 8)"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import pandas as pd

from .load import Run
from .style import order_fills
from .tables import order_targets

CENTRED, JITTERED, PLACEBO, DECOYS = "centred", "jittered", "placebo", "decoys:"


@dataclass(frozen=True)
class ControlRow:
    """Own AP (fraction) of one hidden target under each placement, and what follows from them (AP points).

    Own AP is the AP of the hidden keypoint; for a part the mean over its keypoints that every placement here
    could measure.

    Attributes:
        own_ap: Placement to own AP; ``"clean"`` is the untouched one.
        marker_effect: Placement with decoys to own AP (centred) minus own AP (decoys). Positive: the lone occluder
            helps the model find what it hides.
        placebo_loss: Clean minus placebo: what one hole anywhere on the person costs.
        corrected_loss: Placement with n decoys to (clean minus decoys) minus n times the placebo loss.
    """

    level: str
    target: str
    fill: str
    radius: float
    own_ap: dict[str, float]
    marker_effect: dict[str, float]
    placebo_loss: float
    corrected_loss: dict[str, float]


def has_controls(run: Run, level: str) -> bool:
    """Whether ``level`` was attacked with decoys or placebos, which tell robustness from marker reading."""
    placements = run.cells.loc[run.cells["level"] == level, "placement"]
    return bool(((placements == PLACEBO) | placements.str.startswith(DECOYS)).any())


def order_placements(placements: set[str]) -> list[str]:
    """Centred, jittered, decoys by number, placebo; others last."""

    def rank(placement: str) -> tuple[int, int, str]:
        if placement.startswith(DECOYS):
            return 2, decoys_in(placement), placement
        return {CENTRED: 0, JITTERED: 1, PLACEBO: 3}.get(placement, 4), 0, placement

    return sorted(placements, key=rank)


def decoys_in(placement: str) -> int:
    """How many decoys ``decoys:n`` asks for; 0 for anything else."""
    count = placement.partition(":")[2]
    return int(count) if placement.startswith(DECOYS) and count.isdecimal() else 0


def control_rows(run: Run, level: str) -> list[ControlRow]:
    """One row per target, fill and radius that was attacked with another placement than centred."""
    cells = run.cells[run.cells["level"] == level]
    clean = run.cells[run.cells["level"] == "clean"].set_index("keypoint")["ap"]
    rows = []
    for key, group in cells.groupby(["target", "fill", "radius"], sort=False):
        target, fill, radius = cast("tuple[str, str, float]", key)
        placements = set(group["placement"])
        if placements <= {CENTRED}:
            continue
        own = run.manifest.skeleton.own_keypoints(level, target)
        table = group[group["keypoint"].isin(own)].pivot(index="keypoint", columns="placement", values="ap")
        table.insert(0, "clean", clean.reindex(table.index))
        means = table.dropna().mean()
        own_ap = {p: float(means.get(p, math.nan)) for p in ["clean", *order_placements(placements)]}
        rows.append(_control_row(level, target, fill, radius, own_ap))
    fills = order_fills(r.fill for r in rows)
    targets = order_targets(run, level, (r.target for r in rows))
    return sorted(rows, key=lambda r: (targets.index(r.target), fills.index(r.fill), r.radius))


def _control_row(level: str, target: str, fill: str, radius: float, own_ap: dict[str, float]) -> ControlRow:
    centred, placebo = own_ap.get(CENTRED, math.nan), own_ap.get(PLACEBO, math.nan)
    placebo_loss = 100 * (own_ap["clean"] - placebo)
    marker, corrected = {}, {}
    for placement in own_ap:
        n = decoys_in(placement)
        if n:
            marker[placement] = 100 * (centred - own_ap[placement])
            corrected[placement] = 100 * (own_ap["clean"] - own_ap[placement]) - n * placebo_loss
    return ControlRow(level, target, fill, radius, own_ap, marker, placebo_loss, corrected)


def placements_in(rows: list[ControlRow]) -> list[str]:
    """Every placement that ``rows`` know, in display order."""
    return order_placements({p for row in rows for p in row.own_ap if p != "clean"})


def mean_marker_effect(rows: list[ControlRow]) -> pd.DataFrame:
    """Per fill and decoy placement: mean marker effect (AP points) and the number of rows it is over.

    Columns: fill, placement, mean, n, n_positive (rows whose effect is above zero).
    """
    effects = [(r.fill, p, v) for r in rows for p, v in r.marker_effect.items() if not math.isnan(v)]
    table = pd.DataFrame(effects, columns=["fill", "placement", "effect"])
    grouped = table.groupby(["fill", "placement"], sort=False)["effect"]
    return grouped.agg(mean="mean", n="count", n_positive=lambda v: int((v > 0).sum())).reset_index()
