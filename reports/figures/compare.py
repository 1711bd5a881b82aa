"""Several runs side by side: AP under attack and mean drop (Figs 3 and 11 of the thesis), targets, boxes (Fig. 10)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..findings.compare import LevelComparison
from ..reading.drops import NO_DROP, Drop
from ..reading.names import short_name
from .bars import add_legend, draw_group_bars
from .style import INK, MOST, RUN_COLOURS, WIDTH, new_figure, styled


def run_colours(labels: Sequence[str]) -> dict[str, str]:
    """The same colour for the same run in every figure."""
    return {label: RUN_COLOURS[i % len(RUN_COLOURS)] for i, label in enumerate(labels)}


def plot_robustness(levels: Sequence[LevelComparison], labels: Sequence[str]) -> Figure:
    """AP without and under attack, mean over the targets: one panel per level, one bar per run."""
    colours = run_colours(labels)
    with styled():
        figure = new_figure(WIDTH, 3.2)
        for axes, found in zip(figure.subplots(1, len(levels), sharey=True, squeeze=False)[0], levels, strict=True):
            groups = ["clean", *found.fills]
            series = {run: [Drop(100 * found.aps.get((run, g), math.nan)) for g in groups] for run in labels}
            _bars(axes, series, colours, groups, f"{found.level} attacks")
            axes.set_ylabel("AP × 100")
        add_legend(figure, colours, [])
    return figure


def plot_mean_drops(levels: Sequence[LevelComparison], labels: Sequence[str]) -> Figure:
    """Mean drop over the targets with its interval: one panel per level, one bar per run."""
    colours = run_colours(labels)
    drops: list[Drop] = []
    with styled():
        figure = new_figure(WIDTH, 3.2)
        for axes, found in zip(figure.subplots(1, len(levels), squeeze=False)[0], levels, strict=True):
            series = {run: [found.means.get((run, f), NO_DROP) for f in found.fills] for run in labels}
            drops += [drop for mine in series.values() for drop in mine]
            _bars(axes, series, colours, found.fills, f"{found.level} attacks")
            axes.set_ylabel("mean drop, points")
        add_legend(figure, colours, drops)
    return figure


def plot_by_boxes(series: Mapping[str, Sequence[float]], boxes: Sequence[str]) -> Figure:
    """Clean AP by the source of the boxes, one bar per model."""
    colours = run_colours(list(series))
    with styled():
        figure = new_figure(WIDTH * 0.66, 3.0)
        axes = figure.subplots()
        bars = {model: [Drop(100 * ap) for ap in values] for model, values in series.items()}
        _bars(axes, bars, colours, boxes, "")
        axes.set_ylabel("clean AP × 100")
        add_legend(figure, colours, [])
    return figure


def _bars(
    axes: Axes, series: Mapping[str, Sequence[Drop]], colours: Mapping[str, str], groups: Sequence[str], title: str
) -> None:
    draw_group_bars(axes, series, colours)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.6, max(len(groups), 2) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set_title(title)


def plot_targets(found: LevelComparison, labels: Sequence[str]) -> Figure:
    """One panel per fill, one line per target, one dot per run with its interval."""
    return plot_dots(found.drops, found.targets[:MOST], found.fills, labels, "drop, points")


def plot_dots(
    drops: Mapping[tuple[str, str, str], Drop],
    targets: Sequence[str],
    fills: Sequence[str],
    labels: Sequence[str],
    title: str,
) -> Figure:
    """One panel per fill, one line per target, one dot per label; hollow where it cannot be told from zero.

    Args:
        drops: By (label, target, fill).
        targets: From the top.
        fills: From the left.
        labels: In the order of their colours.
        title: Of the horizontal axes.
    """
    colours = run_colours(labels)
    step = 0.5 / max(len(labels), 1)
    with styled():
        figure = new_figure(WIDTH, 1.1 + max(0.2, 0.1 * len(labels)) * len(targets))
        grid = figure.subplots(1, len(fills), sharey=True, squeeze=False)[0]
        for axes, fill in zip(grid, fills, strict=True):
            for index, run in enumerate(labels):
                for y, target in enumerate(targets):
                    drop = drops.get((run, target, fill), NO_DROP)
                    if not math.isnan(drop.value):
                        _dot(axes, drop, y + (index - (len(labels) - 1) / 2) * step, colours[run])
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set_title(fill)
            axes.set_xlabel(title)
            axes.set_ylim(len(targets) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
        grid[0].set_yticks(range(len(targets)), [short_name(t) for t in targets])
        handles = [Line2D([], [], linestyle="none", marker="o", color=c, label=run) for run, c in colours.items()]
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 4))
    return figure


def _dot(axes: Axes, drop: Drop, y: float, colour: str) -> None:
    if drop.has_interval:
        axes.plot([drop.low, drop.high], [y, y], color=colour, linewidth=1.1)
    face = "none" if drop.indistinct else colour
    axes.plot([drop.value], [y], marker="o", markersize=4, markerfacecolor=face, markeredgecolor=colour)
