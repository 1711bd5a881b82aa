"""Mean drop of several runs side by side (Fig. 3 of the thesis)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from .plot_bars import add_legend, draw_group_bars
from .style import RUN_COLOURS, WIDTH, new_figure, styled
from .tables import Drop, MeanDrop


def plot_comparison(runs: Mapping[str, Sequence[MeanDrop]], level: str) -> Figure:
    """One group of bars per fill, one bar per run: the mean over the targets of ``level`` of the overall drop."""
    fills = list(dict.fromkeys(m.fill for means in runs.values() for m in means if m.level == level))
    series = {}
    for name, means in runs.items():
        found = {m.fill: m.mean for m in means if m.level == level}
        series[name] = [Drop(found.get(fill, float("nan"))) for fill in fills]
    colours = {name: RUN_COLOURS[i % len(RUN_COLOURS)] for i, name in enumerate(runs)}
    with styled():
        figure = new_figure(WIDTH * 0.62, 3.0)
        axes = figure.subplots()
        draw_group_bars(axes, series, colours)
        axes.set_xticks(range(len(fills)), fills)
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("mean drop, AP points")
        add_legend(figure, colours, [])
    return figure
