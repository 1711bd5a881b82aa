"""Drop against the occluder's size: the mean over the targets (Fig. 4 of the thesis), and every target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..findings.dose import THRESHOLDS, Curve, Dose
from ..reading.names import short_name
from .style import INK, MOST_PANELS, MUTED, WIDTH, fill_colour, new_figure, styled

_COLUMNS = 6


def plot_mean_dose(dose: Dose) -> Figure:
    """One line per fill with its interval; a second axis counts torso lengths where the run knows them."""
    with styled():
        figure = new_figure(WIDTH * 0.66, 3.4)
        axes = figure.subplots()
        for curve in dose.means:
            _draw(axes, curve, curve.fill)
        _finish(axes, dose.radii)
        for threshold in THRESHOLDS:
            if axes.get_ylim()[0] < threshold < axes.get_ylim()[1]:
                axes.axhline(threshold, color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.set_xlabel("radius, px" if dose.level == "keypoint" else "margin around the part, px")
        axes.set_ylabel("mean drop, points")
        axes.legend(loc="upper left")
        if dose.torso > 0:
            to_torsos, to_px = _scale(1 / dose.torso), _scale(dose.torso)
            torsos = axes.secondary_xaxis("top", functions=(to_torsos, to_px))
            torsos.set_xlabel("in torso lengths")
            torsos.xaxis.set_major_locator(MaxNLocator(6))
            torsos.xaxis.set_major_formatter("{x:g}")
    return figure


def _scale(factor: float) -> Callable[[Any], Any]:
    return lambda values: values * factor


def shown_targets(dose: Dose) -> list[str]:
    """All targets, or of very many the :data:`MOST_PANELS` with the largest drop at any size, in their order."""
    if len(dose.targets) <= MOST_PANELS:
        return dose.targets
    worst: dict[str, float] = {}
    for curve in dose.curves:
        worst[curve.target] = max([worst.get(curve.target, -math.inf), *(d.value for d in curve.drops)])
    kept = sorted(worst, key=lambda t: -worst[t])[:MOST_PANELS]
    return [target for target in dose.targets if target in kept]


def plot_target_doses(dose: Dose) -> Figure:
    """One small panel per target, one scale for all."""
    targets = shown_targets(dose)
    rows = math.ceil(len(targets) / _COLUMNS)
    with styled():
        figure = new_figure(WIDTH, 0.75 + 1.35 * rows, None)  # a layout engine takes seconds for dozens of panels
        height = figure.get_figheight()
        figure.subplots_adjust(0.055, 0.42 / height, 0.995, 1 - 0.55 / height, wspace=0.09, hspace=0.32)
        grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(targets):
                axes.set_visible(False)
                continue
            for curve in dose.curves:
                if curve.target == targets[index]:
                    _draw(axes, curve, curve.fill, width=1.4, size=2.5)
            axes.set_title(short_name(targets[index]), fontsize=8.5, pad=3)
            _finish(axes, dose.radii)
            axes.tick_params(labelsize=7.5, labelbottom=index >= len(targets) - _COLUMNS)
        figure.supylabel("drop, points", fontsize=8.5, x=0.004)
        figure.supxlabel("radius, px" if dose.level == "keypoint" else "margin, px", fontsize=8.5, y=0.004)
        handles = [axes_line for axes_line in grid[0, 0].get_lines() if not axes_line.get_label().startswith("_")]
        figure.legend(handles=handles, loc="upper left", ncols=len(handles), bbox_to_anchor=(0.05, 1.0))
    return figure


def _draw(axes: Axes, curve: Curve, label: str, width: float = 2.0, size: float = 4.0) -> None:
    colour = fill_colour(curve.fill)
    values = [drop.value for drop in curve.drops]
    axes.plot(curve.radii, values, marker="o", color=colour, label=label, linewidth=width, markersize=size)
    if all(drop.has_interval for drop in curve.drops):
        low, high = ([getattr(drop, end) for drop in curve.drops] for end in ("low", "high"))
        axes.fill_between(curve.radii, low, high, color=colour, alpha=0.16, linewidth=0)


def _finish(axes: Axes, radii: Sequence[float]) -> None:
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(radii, [f"{r:g}" for r in radii])
