"""The marker effect: own AP under each placement, and a picture of what the placements are (PROTOCOL section 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from ..findings.controls import CLEAN, JITTERED, PLACEBO, ControlRow, Estimate, at_main_radius, decoys_in, placements_in
from ..reading.names import order_fills, short_name
from ..reading.slices import CENTRED
from .body import PLACES, draw_silhouette, set_stage
from .style import GAIN, INK, LOSS, MOST, MUTED, WIDTH, new_figure, styled

_MARKERS = {CLEAN: "o", CENTRED: "o", JITTERED: "d", PLACEBO: "x"}
_DECOYS = "s"


def shown_rows(rows: Sequence[ControlRow]) -> list[ControlRow]:
    """Those of the main radius, and of very many targets the first :data:`MOST`."""
    rows = at_main_radius(rows)
    targets = list(dict.fromkeys(row.target for row in rows))[:MOST]
    return [row for row in rows if row.target in targets]


def plot_controls(rows: Sequence[ControlRow]) -> Figure:
    """One panel per fill, one line per target, one mark per placement.

    The bar between the lone occluder and the one among decoys is the marker effect: its colour says which is found
    better. Thin lines are 95 % intervals.
    """
    rows = shown_rows(rows)
    fills = order_fills(row.fill for row in rows)
    targets = list(dict.fromkeys(row.target for row in rows))
    placements = placements_in(rows)
    with styled():
        figure = new_figure(WIDTH if len(fills) > 1 else WIDTH * 0.66, 1.15 + 0.3 * len(targets))
        grid = figure.subplots(1, len(fills), sharex=True, sharey=True, squeeze=False)[0]
        for axes, fill in zip(grid, fills, strict=True):
            axes.set_title(fill)
            for row in rows:
                if row.fill == fill:
                    _draw_row(axes, row, targets.index(row.target))
            axes.set_xlabel("own AP")
            axes.set_ylim(len(targets) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
        grid[0].set_yticks(range(len(targets)), [short_name(t) for t in targets])
        handles = [_handle(p) for p in (CLEAN, *placements)]
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), columnspacing=1.4)
    return figure


def _draw_row(axes: Axes, row: ControlRow, y: int) -> None:
    decoys = [p for p in row.own_ap if decoys_in(p) and not math.isnan(row.own_ap[p].value)]
    centred = row.own_ap.get(CENTRED)
    if decoys and centred is not None and not math.isnan(centred.value):
        with_decoys = row.own_ap[decoys[-1]].value
        colour = LOSS if centred.value > with_decoys else GAIN
        axes.plot([with_decoys, centred.value], [y, y], color=colour, alpha=0.35, linewidth=6, solid_capstyle="butt")
    for placement, ap in row.own_ap.items():
        if math.isnan(ap.value):
            continue
        if placement == CENTRED or placement in decoys:
            _interval(axes, ap, y + (0.13 if placement == CENTRED else -0.13))
        axes.plot([ap.value], [y], linestyle="none", zorder=3, **_look(placement))


def _interval(axes: Axes, ap: Estimate, y: float) -> None:
    if not math.isnan(ap.low) and not math.isnan(ap.high):
        axes.plot([ap.low, ap.high], [y, y], color=MUTED, linewidth=0.9, zorder=2)


def _look(placement: str) -> dict[str, Any]:
    filled = placement != CLEAN
    return {
        "marker": _MARKERS.get(placement, _DECOYS),
        "markersize": 6 if placement in (CLEAN, CENTRED) else 5,
        "markerfacecolor": INK if filled and placement != JITTERED else "none",
        "markeredgecolor": INK if placement in (CLEAN, CENTRED) or decoys_in(placement) else MUTED,
        "markeredgewidth": 1.1,
    }


def _handle(placement: str) -> Line2D:
    return Line2D([], [], linestyle="none", label=placement, **_look(placement))


_PICTURE = {
    "clean": [],
    "centred": [(0.0, 0.0)],
    "decoys": [(0.0, 0.0), (-2.5, 1.2), (-1.7, -0.6), (-3.0, -2.5), (-1.05, -4.4), (-4.2, -0.9), (-2.05, 2.6)],
    "placebo": [(-1.1, -2.5)],
}
_SAID = {
    "clean": "what is asked for: the left elbow",
    "centred": "hidden, but the disc shows where",
    "decoys": "hidden, and no disc tells which",
    "placebo": "a hole elsewhere: what any hole costs",
}


def plot_placements() -> Figure:
    """What the placements are, on a body: the same for every run."""
    x0, y0 = PLACES["left_elbow"]
    with styled():
        figure = new_figure(WIDTH, 2.75)
        for axes, (name, discs) in zip(figure.subplots(1, 4), _PICTURE.items(), strict=True):
            set_stage(axes)
            draw_silhouette(axes)
            axes.set_title(name, loc="center")
            for dx, dy in discs:
                axes.add_patch(Circle((x0 + dx, y0 + dy), 0.52, facecolor=INK, edgecolor="none", zorder=3))
            axes.add_patch(Circle((x0, y0), 0.78, facecolor="none", edgecolor=LOSS, linewidth=1.6, zorder=4))
            axes.text(0, -0.85, _SAID[name], ha="center", va="top", fontsize=7.5)
    return figure
