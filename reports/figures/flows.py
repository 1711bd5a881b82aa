"""What errors turn into: bands from each kind without the attack to each kind under it, a panel for each fill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ..findings.errors import JOINTS, KINDS, Flow
from ..reading.names import order_fills
from .style import INK, MUTED, WIDTH, new_figure, styled

COLOURS = {
    "good": "#009E73",
    "jitter": "#E69F00",
    "inversion": "#CC79A7",
    "swap": "#56B4E9",
    "miss": "#D55E00",
    "lost": "#8a93a0",
}
_GAP = 0.03  # between the kinds of a side, in shares of all joints
_BAR = 0.08
_SMALL = 0.03  # shares below have no name beside them


def plot_flows(flows: Sequence[Flow]) -> Figure:
    """A row for the hidden and one for the other joints, a panel for each fill."""
    fills = order_fills({flow.fill for flow in flows})
    rows = [joints for joints in JOINTS if any(flow.joints == joints for flow in flows)]
    across = min(len(fills), 4)
    bands = -(-len(fills) // across)
    with styled():
        figure = new_figure(WIDTH, 2.5 * bands * len(rows) + 0.3)
        grid = figure.subplots(bands * len(rows), across, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for flow in flows:
            place = fills.index(flow.fill)
            axes = grid[rows.index(flow.joints) * bands + place // across, place % across]
            _draw(axes, flow)
    return figure


def _draw(axes: Axes, flow: Flow) -> None:
    kinds = [kind for kind in KINDS if flow.before(kind) or flow.after(kind)]
    left = _spans([flow.before(kind) / flow.total for kind in kinds])
    right = _spans([flow.after(kind) / flow.total for kind in kinds])
    from_left, from_right = left.copy(), right.copy()
    for i, clean in enumerate(kinds):
        for j, attacked in enumerate(kinds):
            share = flow.n.get((clean, attacked), 0) / flow.total
            if share:
                axes.add_patch(_band(from_left[i], from_right[j], share, COLOURS[clean], i == j))
            from_left[i] -= share
            from_right[j] -= share
    for tops, x, side, at in ((left, 0.0, "right", -0.03), (right, 1 - _BAR, "left", 1.03)):
        for kind, top in zip(kinds, tops, strict=True):
            share = (flow.before(kind) if x == 0 else flow.after(kind)) / flow.total
            axes.fill_between([x, x + _BAR], top - share, top, color=COLOURS[kind], linewidth=0)
            if share >= _SMALL:
                axes.text(
                    at, top - share / 2, f"{kind} {100 * share:.0f} %", ha=side, va="center", fontsize=7, color=INK
                )
    axes.set_xlim(-0.62, 1.62)
    axes.set_ylim(1 - _height(len(kinds)) - 0.02, 1.16)
    called = {"own": "hidden joints", "collateral": "other joints"}[flow.joints]
    axes.text(0.5, 1.11, f"{flow.fill}, {flow.total} {called}", ha="center", va="center", fontsize=8, color=INK)
    axes.text(0, 1.015, "clean", ha="left", va="bottom", fontsize=6, color=MUTED)
    axes.text(1, 1.015, "attacked", ha="right", va="bottom", fontsize=6, color=MUTED)


def _height(kinds: int) -> float:
    return 1 + _GAP * (kinds - 1)


def _spans(shares: Sequence[float]) -> np.ndarray:
    """The upper end of each kind, from 1 downwards."""
    before = np.concatenate([[0.0], np.cumsum(shares)[:-1]])
    return 1 - before - _GAP * np.arange(len(shares))


def _band(left: float, right: float, share: float, colour: str, stays: bool) -> PathPatch:
    a, b, middle = _BAR, 1 - _BAR, 0.5
    corners = [(a, left), (middle, left), (middle, right), (b, right)]
    lower = [(x, y - share) for x, y in reversed(corners)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    path = Path([*corners, *lower, corners[0]], codes)
    return PathPatch(path, facecolor=colour, edgecolor="none", alpha=0.22 if stays else 0.55)
