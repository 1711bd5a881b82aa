"""Loss against the share of the person that is hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from ..findings.shares import Share
from ..reading.names import order_fills
from .style import WIDTH, fill_colour, new_figure, styled

_MARKS = {"keypoint": "o", "part": "s"}


def plot_shares(single: Sequence[Share], pooled: Sequence[Share]) -> Figure:
    """A point for each attack, a line for each fill over the bins of shares."""
    with styled():
        figure = new_figure(WIDTH, 3.8)
        axes = figure.subplots()
        for fill in order_fills({one.fill for one in single}):
            colour = fill_colour(fill)
            for level, mark in _MARKS.items():
                points = [one for one in single if (one.fill, one.level) == (fill, level)]
                x, y = [one.share for one in points], [one.loss.value for one in points]
                axes.plot(x, y, mark, color=colour, markersize=4, alpha=0.55, linestyle="none")
            bins = [one for one in pooled if one.fill == fill and not math.isnan(one.least)]
            line = [one for one in bins if not math.isnan(one.loss.low)] or bins  # none has an interval without draws
            x, y = [one.share for one in line], [one.loss.value for one in line]
            axes.plot(x, y, color=colour, linewidth=1.6, label=fill)
            low = [one.loss.low for one in line]
            axes.fill_between(x, low, [one.loss.high for one in line], color=colour, alpha=0.12, linewidth=0)
        axes.axhline(0, color="#8a93a0", linewidth=0.8)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean share of the body hidden")
        axes.set_ylabel("mean loss of OKS, points")
        figure.legend(loc="outside upper left", ncols=7)
    return figure
