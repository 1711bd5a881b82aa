"""Grouped bars with intervals: what the overall, the affected-keypoint and the comparison figures share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..reading.drops import Drop
from .style import INK, MUTED

GROUP = 0.8
"""Share of a group's space that its bars take."""


def draw_group_bars(
    axes: Axes, series: Mapping[str, Sequence[Drop]], colours: Mapping[str, str], horizontal: bool = False
) -> None:
    """Draw one group of bars per position, one bar per series, in the order of ``series``.

    A drop that is NaN gets no bar but a small dash on the zero line. One that cannot be told from zero is only hatched.

    Args:
        axes: Where to draw; group i stands at i (from the top when horizontal).
        series: Series name to its drops, all of one length.
        colours: Series name to colour.
        horizontal: Bars lie instead of stand.
    """
    thickness = GROUP / max(len(series), 1)
    draw = axes.barh if horizontal else axes.bar
    for index, (name, drops) in enumerate(series.items()):
        offset = (index - (len(series) - 1) / 2) * thickness
        for indistinct in (False, True):
            chosen = [(i, d) for i, d in enumerate(drops) if d.indistinct == indistinct and not math.isnan(d.value)]
            look: dict[str, Any] = _hatched(colours[name]) if indistinct else {"color": colours[name]}
            draw([i + offset for i, _ in chosen], [d.value for _, d in chosen], thickness * 0.92, **look)
        missing = [i + offset for i, d in enumerate(drops) if math.isnan(d.value)]
        empty = [0.0] * len(missing)
        x, y = (empty, missing) if horizontal else (missing, empty)
        axes.plot(x, y, linestyle="none", marker="|" if horizontal else "_", color=MUTED, markersize=4)
        _draw_intervals(axes, drops, offset, horizontal)
    zero = axes.axvline if horizontal else axes.axhline
    zero(0, color=INK, linewidth=0.8, zorder=3)


def _hatched(colour: str) -> dict[str, Any]:
    return {"facecolor": "none", "edgecolor": colour, "hatch": "//////", "linewidth": 0.7}


def _draw_intervals(axes: Axes, drops: Sequence[Drop], offset: float, horizontal: bool) -> None:
    known = [(i + offset, d) for i, d in enumerate(drops) if d.has_interval and not math.isnan(d.value)]
    if not known:
        return
    places = [place for place, _ in known]
    values = [d.value for _, d in known]
    # percentile intervals may, rarely, miss the point estimate; an error bar cannot have a negative length
    lengths = np.array([[max(d.value - d.low, 0) for _, d in known], [max(d.high - d.value, 0) for _, d in known]])
    look: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 0.8, "capsize": 1.5, "zorder": 4}
    if horizontal:
        axes.errorbar(values, places, xerr=lengths, **look)
    else:
        axes.errorbar(places, values, yerr=lengths, **look)


def add_legend(figure: Figure, colours: Mapping[str, str], drops: Sequence[Drop]) -> None:
    """A legend above the axes: one patch per series, and the hatched one where ``drops`` have intervals."""
    handles = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    if any(drop.indistinct for drop in drops):
        handles.append(Patch(**_hatched(MUTED), label="cannot be told from zero"))
    columns = min(len(handles), 4)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=1.1, columnspacing=1.6)
