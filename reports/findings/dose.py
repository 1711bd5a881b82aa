"""Drop against the size of the occluder: curves, the area under them, and the radius that costs 1, 5 and 10 points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..reading.drops import Drop, drop_of, mean_of, records, with_family
from ..reading.load import Run
from ..reading.names import order_fills
from ..reading.slices import ALL, main_slice, order_targets

THRESHOLDS = (1.0, 5.0, 10.0)
"""Points of the run's metric (x 100)."""


@dataclass(frozen=True)
class Critical:
    """The radius, crop px, at which the drop first exceeds a threshold, with its interval.

    Linear between the measured radii. The smallest measured radius stands for "that or smaller", infinity for "larger
    than the largest measured one".
    """

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Curve:
    """Drop against radius of one target, or of the mean over targets, under one fill."""

    target: str
    fill: str
    radii: tuple[float, ...]
    drops: tuple[Drop, ...]

    @property
    def area(self) -> Drop:
        """Area under the curve over the measured radii, points x crop px (trapezoids)."""
        at = np.array(self.radii)
        ends = np.array([(d.value, d.low, d.high) for d in self.drops])
        value, low, high = ((ends[1:] + ends[:-1]) / 2 * np.diff(at)[:, None]).sum(axis=0).tolist()
        return Drop(value, low, high)

    def critical(self, threshold: float) -> Critical:
        """Where the curve, and where the upper and the lower ends of its intervals, first exceed ``threshold``."""
        value, high, low = (
            first_above(self.radii, [getattr(d, name) for d in self.drops], threshold)
            for name in ("value", "low", "high")  # the lower the drop, the larger the radius
        )
        return Critical(value, low, high)


@dataclass(frozen=True)
class Dose:
    """The size sweep of one level.

    Attributes:
        level: ``keypoint`` or ``part``.
        placement: Where the occluders stood.
        radii: Crop px.
        means: Per fill the mean over the targets that were measured at every radius.
        n_in_mean: By fill how many those are.
        curves: By target and fill.
        torso: Median length of the torso, crop px; NaN where the run does not say.
        n_torso: Of how many boxes.
    """

    level: str
    placement: str
    radii: tuple[float, ...]
    means: tuple[Curve, ...]
    n_in_mean: dict[str, int]
    curves: tuple[Curve, ...]
    torso: float
    n_torso: int

    @property
    def fills(self) -> list[str]:
        """In display order."""
        return [curve.fill for curve in self.means]

    @property
    def targets(self) -> list[str]:
        """In display order."""
        return list(dict.fromkeys(curve.target for curve in self.curves))


def dose_response(run: Run, level: str) -> Dose | None:
    """Overall drop against radius (Fig. 4 of the thesis) at the main placement; None with fewer than two radii."""
    part = main_slice(run, level)
    if part is None or len(part.radii) < 2:
        return None
    cells = run.cells
    rows = cells[(cells["level"] == level) & (cells["placement"] == part.placement) & (cells["keypoint"] == ALL)]
    rows = with_family(rows[rows["drop"].notna()])
    found: dict[tuple[str, str], dict[float, Drop]] = {}
    for row in records(rows):
        found.setdefault((row["target"], row["fill"]), {})[float(row["radius"])] = drop_of(row)
    order = order_targets(run, level, rows["target"])
    fills = [fill for fill in order_fills(rows["fill"]) if _radii(rows, fill) > 1]
    curves = [
        Curve(target, fill, tuple(sorted(points)), tuple(points[r] for r in sorted(points)))
        for target in order
        for fill in fills
        if len(points := found.get((target, fill), {})) > 1
    ]
    if not curves:
        return None
    means, counts = [], {}
    for fill in fills:
        mine = [curve for curve in curves if curve.fill == fill]
        radii = tuple(sorted({r for curve in mine for r in curve.radii}))
        everywhere = [curve for curve in mine if curve.radii == radii]
        counts[fill] = len(everywhere)
        means.append(Curve("", fill, radii, tuple(mean_of(c.drops[i] for c in everywhere) for i in range(len(radii)))))
    torso = float(np.median(run.torso)) if len(run.torso) else math.nan
    radii = tuple(sorted({r for curve in curves for r in curve.radii}))
    return Dose(level, part.placement, radii, tuple(means), counts, tuple(curves), torso, len(run.torso))


def _radii(rows: pd.DataFrame, fill: str) -> int:
    return int(rows.loc[rows["fill"] == fill, "radius"].nunique())


def first_above(radii: Sequence[float], drops: Sequence[float], threshold: float) -> float:
    """The radius at which the line through the points first exceeds ``threshold``; see :class:`Critical`."""
    if any(math.isnan(drop) for drop in drops):
        return math.nan
    if drops[0] > threshold:
        return float(radii[0])
    for i in range(1, len(drops)):
        if drops[i] > threshold:
            share = (threshold - drops[i - 1]) / (drops[i] - drops[i - 1])
            return float(radii[i - 1] + share * (radii[i] - radii[i - 1]))
    return math.inf
