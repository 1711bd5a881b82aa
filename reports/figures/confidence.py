"""Scores of hidden and of visible keypoints: their distribution, and what they are worth."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..findings.calibration import Calibration, LevelConfidence
from ..reading.names import order_fills
from .style import INK, MUTED, WIDTH, fill_colour, new_figure, styled

_FEWEST = 20
"""Keypoints that a bin needs for a point of the calibration curve."""


def plot_confidence(found: LevelConfidence) -> Figure:
    """Left: how the scores are distributed. Right: the similarity to the truth that stands behind each score."""
    with styled():
        figure = new_figure(WIDTH, 3.5)
        left, right = figure.subplots(1, 2)
        (diagonal,) = right.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), label="calibrated")
        if found.clean is not None:
            _draw(left, right, found.clean, "clean, all", INK, dashed=False)
        for fill in order_fills([*found.hidden, *found.visible]):
            if fill in found.hidden:
                _draw(left, right, found.hidden[fill], f"{fill}, hidden", fill_colour(fill), dashed=False)
            if fill in found.visible:
                _draw(left, right, found.visible[fill], f"{fill}, visible", fill_colour(fill), dashed=True)
        left.set_xlabel("score")
        left.set_ylabel("share of keypoints per bin")
        right.set_xlabel("mean score in the bin")
        right.set_ylabel("mean similarity to the truth")
        right.set_ylim(-0.02, 1.02)
        for axes in (left, right):
            axes.set_xlim(0, 1)
        handles, _ = left.get_legend_handles_labels()
        figure.legend(handles=[*handles, diagonal], loc="outside upper left", ncols=4)
    return figure


def _draw(left: Axes, right: Axes, found: Calibration, label: str, colour: str, dashed: bool) -> None:
    style = (0, (3, 1.6)) if dashed else "-"
    width = 1.1 if dashed else 1.9
    bins = round(1 / found.width)
    share = np.zeros(bins)
    place = np.clip(np.round(np.array(found.edges) / found.width).astype(int), 0, bins - 1)
    np.add.at(share, place, found.share)
    left.stairs(share, np.linspace(0, 1, bins + 1), color=colour, linestyle=style, linewidth=width, label=label)
    enough = [i for i, part in enumerate(found.share) if part * found.n >= _FEWEST]
    right.plot(
        [found.score[i] for i in enough],
        [found.similarity[i] for i in enough],
        color=colour,
        linestyle=style,
        linewidth=width,
        marker="" if dashed else "o",
        markersize=3,
    )
