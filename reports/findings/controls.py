"""The controls: is a model robust, or does it read the occluder as a marker? (PROTOCOL section 8)

Effects and their paired intervals are those of controls.csv. A run older than that file has the differences of
cells.csv, whose intervals are put together from their members' ends: too wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from ..reading.drops import NO_DROP, Drop, drop_of, mean_of, minus, negative, records
from ..reading.load import Run
from ..reading.names import order_fills
from ..reading.slices import ALL, CENTRED, DEFAULT_RADIUS, order_targets

CLEAN, JITTERED, PLACEBO, DECOYS = "clean", "jittered", "placebo", "decoys:"


@dataclass(frozen=True)
class Estimate:
    """An AP (fraction) with its 95 % interval."""

    value: float
    low: float = math.nan
    high: float = math.nan


NO_ESTIMATE = Estimate(math.nan)


def _known(p: float) -> float:
    return math.nan if math.isnan(p) else p  # a run of before there was one has none


@dataclass(frozen=True)
class ControlRow:
    """One hidden target under each placement, and what follows.

    Own AP is the AP of the hidden keypoint; for a part the mean over its keypoints that every placement here could
    measure.

    Attributes:
        own_ap: By placement; ``"clean"`` is the untouched one.
        own_loss: By placement: clean minus attacked, points.
        marker_effect: By placement with decoys: own AP (centred) minus own AP (decoys), points. Positive: the lone
            occluder helps the model find what it hides.
        placebo_loss: Clean minus placebo, points: what one hole anywhere on the person costs.
        corrected_loss: By placement with n decoys: (clean minus decoys) minus n times the placebo loss, points.
        attraction: By placement: how much nearer predictions come to the true occluder's centre, crop px.
        attraction_decoys: By placement: the same for the occluders elsewhere.
    """

    level: str
    target: str
    fill: str
    radius: float
    own_ap: Mapping[str, Estimate]
    own_loss: Mapping[str, Drop]
    marker_effect: Mapping[str, Drop]
    placebo_loss: Drop
    corrected_loss: Mapping[str, Drop]
    attraction: Mapping[str, float]
    attraction_decoys: Mapping[str, float]


@dataclass(frozen=True)
class MarkerEffect:
    """The marker effect under one fill and placement with decoys, over the targets that have one.

    Attributes:
        fill: The fill.
        placement: With how many decoys.
        effect: Mean marker effect, points.
        gain: Mean gain of what the lone centred occluder hides over clean, points.
        n: Targets.
        n_clear: Of them, those whose own interval lies above zero.
        attraction: Mean attraction towards the true occluder under ``placement``, crop px.
        attraction_decoys: The same towards the decoys.
    """

    fill: str
    placement: str
    effect: Drop
    gain: Drop
    n: int
    n_clear: int
    attraction: float
    attraction_decoys: float


def has_controls(run: Run, level: str) -> bool:
    """Whether ``level`` was attacked with decoys or placebos, which tell robustness from marker reading."""
    placements = run.cells.loc[run.cells["level"] == level, "placement"]
    return bool(((placements == PLACEBO) | placements.str.startswith(DECOYS)).any())


def order_placements(placements: Iterable[str]) -> list[str]:
    """Centred, jittered, decoys by number, placebo; others last."""

    def rank(placement: str) -> tuple[int, int, str]:
        if placement.startswith(DECOYS):
            return 2, decoys_in(placement), placement
        return {CENTRED: 0, JITTERED: 1, PLACEBO: 3}.get(placement, 4), 0, placement

    return sorted(set(placements), key=rank)


def decoys_in(placement: str) -> int:
    """How many decoys ``decoys:n`` asks for; 0 for anything else."""
    count = placement.partition(":")[2]
    return int(count) if placement.startswith(DECOYS) and count.isdecimal() else 0


def control_rows(run: Run, level: str) -> list[ControlRow]:
    """One row per target, fill and radius that was attacked with another placement than centred."""
    if set(run.cells.loc[run.cells["level"] == level, "placement"]) <= {CENTRED}:
        return []
    cells = run.cells[(run.cells["level"] == level) & (run.cells["keypoint"] != ALL)]
    clean = run.cells[(run.cells["level"] == "clean") & (run.cells["keypoint"] != ALL)].set_index("keypoint")
    hidden = run.manifest.skeleton.own_keypoints
    is_own = [k in hidden(level, t) for t, k in zip(cells["target"], cells["keypoint"], strict=True)]
    own = cells[np.array(is_own, dtype=bool)]
    rows = []
    paired = _paired(run, level)
    for key, group in own.groupby(["target", "fill", "radius"], sort=False):
        placements = order_placements(group["placement"])
        if placements != [CENTRED]:
            row = _control_row(level, cast("tuple[str, str, float]", key), group, clean, placements)
            rows.append(_with_paired(row, paired))
    fills = order_fills(r.fill for r in rows)
    targets = order_targets(run, level, (r.target for r in rows))
    return sorted(rows, key=lambda r: (targets.index(r.target), fills.index(r.fill), r.radius))


def _control_row(
    level: str, key: tuple[str, str, float], own: pd.DataFrame, clean: pd.DataFrame, placements: Sequence[str]
) -> ControlRow:
    measured = own.pivot(index="keypoint", columns="placement", values="ap").dropna()
    known = set(clean.index[clean["ap"].notna()])
    keypoints = [k for k in measured.index if k in known]
    by_placement = {p: own[(own["placement"] == p) & own["keypoint"].isin(keypoints)] for p in placements}
    losses = {p: mean_of(map(drop_of, records(rows))) for p, rows in by_placement.items()}
    centred, placebo = losses.get(CENTRED, NO_DROP), losses.get(PLACEBO, NO_DROP)
    decoys = [p for p in placements if decoys_in(p)]
    return ControlRow(
        level,
        *key,
        {CLEAN: _own_ap(clean.loc[keypoints]), **{p: _own_ap(rows) for p, rows in by_placement.items()}},
        losses,
        {p: minus(losses[p], centred) for p in decoys},
        placebo,
        {p: minus(losses[p], placebo, times=decoys_in(p)) for p in decoys},
        {p: _mean(rows["attraction"]) for p, rows in by_placement.items()},
        {p: _mean(rows["attraction_decoys"]) for p, rows in by_placement.items()},
    )


Paired = Mapping[tuple[str, str, float, str], Mapping[str, Drop]]
"""By target, fill, radius and placement with decoys: effect to its figure."""


def _paired(run: Run, level: str) -> Paired:
    rows = run.controls[run.controls["level"] == level]
    return {
        (row["target"], row["fill"], row["radius"], row["placement"]): {
            effect: Drop(row[effect], row[f"{effect}_lo"], row[f"{effect}_hi"], _known(row[f"{effect}_p_adjusted"]))
            for effect in ("marker", "gain", "placebo", "corrected")
        }
        for row in records(rows)
    }


def _with_paired(row: ControlRow, paired: Paired) -> ControlRow:
    """The row with the effects of controls.csv, where that has them."""
    known = {p: paired.get((row.target, row.fill, row.radius, p)) for p in row.marker_effect}
    found = {placement: effects for placement, effects in known.items() if effects is not None}
    if not found:
        return row
    return replace(
        row,
        marker_effect={**row.marker_effect, **{p: effects["marker"] for p, effects in found.items()}},
        corrected_loss={**row.corrected_loss, **{p: effects["corrected"] for p, effects in found.items()}},
        placebo_loss=next(iter(found.values()))["placebo"],
    )


def _own_ap(rows: pd.DataFrame) -> Estimate:
    return Estimate(*(_mean(rows[name], of_all=True) for name in ("ap", "ap_lo", "ap_hi")))


def _mean(values: pd.Series, of_all: bool = False) -> float:
    """The mean of the numbers in ``values``; NaN where there is none, or, ``of_all``, where one is missing."""
    return float(values.mean(skipna=not of_all)) if len(values) else math.nan


def placements_in(rows: Sequence[ControlRow]) -> list[str]:
    """Every placement that ``rows`` know, in display order."""
    return order_placements(p for row in rows for p in row.own_loss)


def at_main_radius(rows: Sequence[ControlRow]) -> list[ControlRow]:
    """The rows of one radius, so that every target counts once: the protocol's if run, else the smallest."""
    radii = {row.radius for row in rows}
    radius = DEFAULT_RADIUS if DEFAULT_RADIUS in radii else min(radii, default=math.nan)
    return [row for row in rows if row.radius == radius]


def marker_effects(run: Run, rows: Sequence[ControlRow]) -> list[MarkerEffect]:
    """Per fill and placement with decoys, over the rows of the main radius that have a marker effect.

    Args:
        run: The run.
        rows: Of one of its levels.
    """
    rows = at_main_radius(rows)
    paired = _paired(run, rows[0].level) if rows else {}
    found = []
    for fill in order_fills(row.fill for row in rows):
        mine = [row for row in rows if row.fill == fill]
        for placement in placements_in(mine):
            known = [
                r for r in mine if placement in r.marker_effect and not math.isnan(r.marker_effect[placement].value)
            ]
            if not known:
                continue
            effects = [row.marker_effect[placement] for row in known]
            mean = paired.get(("all", fill, known[0].radius, placement))
            found.append(
                MarkerEffect(
                    fill,
                    placement,
                    mean_of(effects) if mean is None else mean["marker"],
                    negative(mean_of(row.own_loss[CENTRED] for row in known)) if mean is None else mean["gain"],
                    len(known),
                    sum(effect.clear and effect.value > 0 for effect in effects),
                    _mean(pd.Series([row.attraction[placement] for row in known], dtype=float)),
                    _mean(pd.Series([row.attraction_decoys[placement] for row in known], dtype=float)),
                )
            )
    return found
