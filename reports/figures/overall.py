"""Overall drop per target and fill (Figs 5 and 7 of the thesis)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..findings.overall import TargetRow
from ..reading.drops import NO_DROP, largest
from ..reading.names import short_name
from .bars import add_legend, draw_group_bars
from .style import MOST, WIDTH, fill_colour, new_figure, styled

_PER_ROW = 20
_WIDE = 6  # fewer targets get a narrower figure
_AT_LEAST = 3  # and still fewer do not get wider bars, for there is the legend


def shown_targets(rows: Sequence[TargetRow]) -> list[TargetRow]:
    """All of them, or of very many the :data:`MOST` with the largest |drop|, in their order."""
    if len(rows) <= MOST:
        return list(rows)
    size = sorted((largest(list(row.drops.values())) for row in rows), reverse=True)[MOST - 1]
    return [row for row in rows if largest(list(row.drops.values())) >= size][:MOST]


def plot_overall(rows: Sequence[TargetRow], fills: Sequence[str]) -> Figure:
    """Bars of the drop of the AP over all keypoints; one group per target, one colour per fill.

    More targets than fit beside each other go on in further rows of the same scale.
    """
    rows = shown_targets(rows)
    chunks = [rows[i : i + _PER_ROW] for i in range(0, len(rows), _PER_ROW)] or [rows]
    colours = {fill: fill_colour(fill) for fill in fills}
    with styled():
        width = WIDTH * min(max(len(rows), _AT_LEAST) / _WIDE, 1)
        figure = new_figure(width, 0.4 + 3.1 * len(chunks))
        grid = figure.subplots(len(chunks), 1, sharey=True, squeeze=False)[:, 0]
        for axes, chunk in zip(grid, chunks, strict=True):
            draw_group_bars(axes, {f: [r.drops.get(f, NO_DROP) for r in chunk] for f in fills}, colours)
            names = [short_name(row.target) for row in chunk]
            turned = len(names) > 12
            axes.set_xticks(range(len(names)), names, rotation=38 if turned else 0, ha="right" if turned else "center")
            axes.set_xlim(-0.6, max(len(chunks[0]), _AT_LEAST) - 0.4)
            axes.tick_params(axis="x", length=0)
            axes.grid(visible=False, axis="x")
            axes.set_ylabel("drop, points")
        add_legend(figure, colours, [drop for row in rows for drop in row.drops.values()])
    return figure
