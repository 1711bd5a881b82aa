"""The interaction matrix: attacked target x affected keypoint."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..findings.matrix import Matrix, MatrixRow
from ..reading.drops import Drop, largest
from ..reading.names import DASH, number, short_name
from .style import GAIN, INK, LOSS, MOST, MUTED, WIDTH, new_figure, styled

_DEEPEST = 0.72
"""Opacity of the largest drop: its number stays legible in the page's ink, on light and on dark ground."""

_GAP = 0.35  # between the column over all keypoints and the others, in columns


def shown_rows(rows: Sequence[MatrixRow]) -> list[MatrixRow]:
    """All of them, or of very many the :data:`MOST` with the largest |drop| anywhere, in their order."""
    if len(rows) <= MOST:
        return list(rows)
    least = sorted((_size(row) for row in rows), reverse=True)[MOST - 1]
    return [row for row in rows if _size(row) >= least][:MOST]


def _size(row: MatrixRow) -> float:
    return largest([row.overall, *row.drops.values()])


def plot_matrix(matrices: Sequence[Matrix]) -> Figure:
    """One block of rows per level, each with a colour scale of its own, for parts lose many times what keypoints do.

    Colour and number are the drop; a drop that cannot be told from zero has its number in grey and no colour; a frame
    marks what the target consists of.
    """
    blocks = [shown_rows(m.rows) for m in matrices]
    heights = [len(rows) * 0.235 for rows in blocks]
    with styled():
        figure = new_figure(WIDTH, sum(heights) + 0.95 + 0.3 * (len(blocks) - 1), padding=0.03)
        grid = figure.subplots(len(blocks), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for place, (axes, found, rows) in enumerate(zip(grid, matrices, blocks, strict=True)):
            _draw(axes, found, rows, names_on_top=place == 0)
    return figure


def tint(drop: Drop, deepest: float) -> tuple[float, float, float, float]:
    """The colour of a drop: hue by its sign, opacity by its share of ``deepest``; clear where nothing is to be said."""
    if math.isnan(drop.value) or drop.indistinct or deepest <= 0:
        return (0.0, 0.0, 0.0, 0.0)
    share = min(abs(drop.value) / deepest, 1.0)
    return to_rgba(LOSS if drop.value > 0 else GAIN, _DEEPEST * share)


def _draw(axes: Axes, found: Matrix, rows: Sequence[MatrixRow], names_on_top: bool) -> None:
    deepest = max((_size(row) for row in rows), default=0.0)
    cells, colours = [], []
    for y, row in enumerate(rows):
        columns = [(-1 - _GAP, row.overall, False)]
        columns += [(float(x), row.drops[k], k in row.own) for x, k in enumerate(found.keypoints)]
        for x, drop, own in columns:
            cells.append(Rectangle((x - 0.5, y - 0.5), 1, 1))
            colours.append(tint(drop, deepest))
            _write(axes, x, y, drop)
            if own:
                frame = Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=INK, linewidth=1.0)
                axes.add_patch(frame)
    axes.add_collection(PatchCollection(cells, facecolors=colours, edgecolors="none"))
    axes.set_xlim(-1.5 - _GAP, len(found.keypoints) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks(range(len(rows)), [short_name(row.target) for row in rows], fontsize=8)
    axes.set_ylabel(f"hidden {found.level}")
    if names_on_top:
        names = ["all keypoints", *(short_name(k) for k in found.keypoints)]
        places = [-1 - _GAP, *map(float, range(len(found.keypoints)))]
        axes.xaxis.tick_top()
        axes.set_xticks(places, names, rotation=45, ha="left", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticks([])


def _write(axes: Axes, x: float, y: float, drop: Drop) -> None:
    text = DASH if math.isnan(drop.value) else number(drop.value, 1)
    faint = drop.indistinct or math.isnan(drop.value)
    axes.text(x, y, text, ha="center", va="center", fontsize=7, color=MUTED if faint else INK)
