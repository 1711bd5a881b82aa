"""The five most affected keypoints per attack, as small multiples (Figs 6 and 8 of the thesis)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..findings.matrix import TOP, Panel
from ..reading.drops import NO_DROP, largest
from ..reading.names import number, short_name
from .bars import GROUP, add_legend, draw_group_bars
from .style import INK, MOST_PANELS, WIDTH, fill_colour, new_figure, styled

_COLUMNS = 3
OWN_MARK = "●"


def shown_panels(panels: Sequence[Panel]) -> list[Panel]:
    """All of them, or of very many the :data:`MOST_PANELS` with the largest |drop|, in their order."""
    if len(panels) <= MOST_PANELS:
        return list(panels)

    def size(panel: Panel) -> float:
        return largest([drop for keypoint in panel.keypoints for drop in keypoint.drops.values()])

    least = sorted(map(size, panels), reverse=True)[MOST_PANELS - 1]
    return [panel for panel in panels if size(panel) >= least][:MOST_PANELS]


def plot_affected(panels: Sequence[Panel], fills: Sequence[str]) -> Figure:
    """One panel per target with lying bars for its keypoints, worst on top; one scale for all, so panels compare.

    The target's own keypoints carry a dot. Each bar ends in its number, for many are short on the common scale.
    """
    panels = shown_panels(panels)
    rows = math.ceil(len(panels) / _COLUMNS)
    colours = {fill: fill_colour(fill) for fill in fills}
    low, high = _limits(panels)
    with styled():
        figure = new_figure(WIDTH, 0.5 + rows * (0.62 + 0.115 * TOP * max(len(fills), 2)), padding=0.09)
        grid = figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.set_visible(False)
                continue
            _draw_panel(axes, panels[index], fills, colours)
            axes.set_xlim(low, high)
            if index >= len(panels) - _COLUMNS:  # the last panel of a column, whatever stands below is empty
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("drop, points")
        drops = [d for p in panels for k in p.keypoints for d in k.drops.values()]
        add_legend(figure, colours, drops)
    return figure


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    drops = [d for p in panels for k in p.keypoints for d in k.drops.values()]
    values = [v for d in drops for v in (d.value, d.low, d.high) if not math.isnan(v)]
    low, high = min([0.0, *values]), max([0.0, *values])
    span = (high - low) or 1.0
    return low - span * (0.16 if low < 0 else 0.02), high + span * 0.16  # room for the numbers


def _draw_panel(axes: Axes, panel: Panel, fills: Sequence[str], colours: dict[str, str]) -> None:
    attacked = "" if math.isnan(panel.n_attacked) else f" (n {panel.n_attacked:.0f})"
    axes.set_title(short_name(panel.target) + attacked)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    if not panel.keypoints:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nothing measurable", transform=axes.transAxes, ha="center", va="center", fontsize=8)
        return
    draw_group_bars(axes, {f: [k.drops.get(f, NO_DROP) for k in panel.keypoints] for f in fills}, colours, True)
    names = [f"{OWN_MARK + ' ' if k.own else ''}{short_name(k.keypoint)}" for k in panel.keypoints]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(TOP - 0.45, -0.55)
    _write_numbers(axes, panel, fills)


def _write_numbers(axes: Axes, panel: Panel, fills: Sequence[str]) -> None:
    thickness = GROUP / max(len(fills), 1)
    for place, keypoint in enumerate(panel.keypoints):
        for index, fill in enumerate(fills):
            drop = keypoint.drops.get(fill, NO_DROP)
            if math.isnan(drop.value):
                continue
            end = drop.value
            if drop.has_interval:
                end = max(drop.high, end) if end >= 0 else min(drop.low, end)
            y = place + (index - (len(fills) - 1) / 2) * thickness
            side = 1 if drop.value >= 0 else -1
            axes.annotate(
                number(drop.value, 1),
                (end, y),
                (2.5 * side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=6,
                color=INK,
                annotation_clip=False,
            )
