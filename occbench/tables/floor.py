"""Whether a model is good enough on untouched photos for a drop to be seen at all."""

from __future__ import annotations

import math

import pandas as pd

LOWEST = 0.05
"""A figure (a fraction) whose interval goes down to it is as good as none."""
WHY = (
    "this usually comes of weights of another model, training or set of keypoints, of another channel order or "
    "normalisation of the input, of boxes that miss the persons, or of annotations of other photos"
)


def nothing_to_lose(cells: pd.DataFrame) -> str | None:
    """Why no drop of a run says anything, in words; None where drops can be seen.

    So it is where the interval of the clean figure (or, without one, the figure) includes :data:`LOWEST`, or where
    half of the width of the drops' intervals, the drop that could just be told from zero, is in the median more than
    half of the clean figure.

    Args:
        cells: Rows of cells.csv.
    """
    overall = cells[cells["keypoint"] == "all"]
    clean = overall[overall["level"] == "clean"]
    if clean.empty:
        return None
    value, low = (_first(clean.iloc[0], names) for names in (("value", "ap"), ("value_lo", "ap_lo")))
    metric = next((name for name in clean["metric"] if isinstance(name, str) and name), "AP")
    if math.isnan(value):
        return None
    attacked = overall[overall["level"] != "clean"]
    smallest = float(((attacked["drop_hi"] - attacked["drop_lo"]) / 2).median())
    if (value if math.isnan(low) else low) <= LOWEST:
        reason = "hardly above nothing" if value > LOWEST else "as good as nothing"
    elif smallest > 100 * value / 2:
        reason = f"too low beside the {smallest:.1f} points that a drop needs to be told from zero here"
    else:
        return None
    return (
        f"There is nothing left to lose: the clean {metric} of {value:.4f} is {reason}, so small drops say nothing "
        f"about robustness. Check the run first: {WHY}."
    )


def _first(row: pd.Series, names: tuple[str, ...]) -> float:
    return next((float(row[name]) for name in names if not math.isnan(row[name])), math.nan)
