"""Drop against the occluder's radius (Fig. 4 of the thesis)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import INK, MUTED, WIDTH, fill_colour, new_figure, short_name, styled
from .tables import RadiusCurve

_NAMED = 3


def plot_radius(curves: Sequence[RadiusCurve]) -> Figure:
    """First panel: mean over the targets, one line per fill. Then one panel per fill with a thin line per target.

    The lines that end highest are named.
    """
    with styled():
        figure = new_figure(WIDTH, 3.3)
        grid = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
        for curve in curves:
            grid[0].plot(curve.radii, curve.mean, marker="o", color=fill_colour(curve.fill), label=curve.fill)
        grid[0].set_title("mean over targets")
        grid[0].set_ylabel("drop, AP points")
        grid[0].legend(loc="upper left")
        for axes, curve in zip(grid[1:], curves, strict=True):
            _draw_targets(axes, curve)
        for axes in grid[2:]:
            axes.sharey(grid[1])
        for axes in grid:
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_xticks(sorted({r for c in curves for r in c.radii}))
            axes.set_xlabel("radius, crop px")
    return figure


def _draw_targets(axes: Axes, curve: RadiusCurve) -> None:
    colour = fill_colour(curve.fill)
    for values in curve.targets.values():
        axes.plot(curve.radii, values, color=colour, linewidth=0.9, alpha=0.45)
    axes.plot(curve.radii, curve.mean, color=colour, linewidth=2.4, marker="o")
    axes.set_title(curve.fill)
    ends = {t: v[-1] for t, v in curve.targets.items() if not math.isnan(v[-1])}
    worst = sorted(ends, key=lambda t: -ends[t])[:_NAMED]
    names = "\n".join(f"{short_name(t)} {ends[t]:.1f}" for t in worst)
    axes.text(
        0.03,
        0.97,
        f"worst at {curve.radii[-1]:g} px:\n{names}",
        transform=axes.transAxes,
        va="top",
        fontsize=7,
        color=INK,
    )
    axes.margins(y=0.12)
    axes.spines["left"].set_color(MUTED)
