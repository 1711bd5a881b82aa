"""Which cells of a run a figure is about."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from .drops import with_family
from .load import Run
from .names import order_fills

DEFAULT_RADIUS = 6.0
CENTRED = "centred"
ALL = "all"
"""What cells.csv calls the AP over all keypoints."""


@dataclass(frozen=True)
class Slice:
    """One level of a run at one radius and placement.

    Attributes:
        level: ``keypoint`` or ``part``.
        radius: Crop px.
        share: Of the crop's width, where the radius was given so; else NaN.
        placement: Where the occluders stood.
        radii: All radii at that placement.
        fills: In display order.
        targets: In the skeleton's order.
        overall: Rows of the AP over all keypoints, p corrected over them.
        single: Rows of the AP of single keypoints; p corrected over what is hidden itself, and over the others.
    """

    level: str
    radius: float
    placement: str
    radii: tuple[float, ...]
    fills: tuple[str, ...]
    targets: tuple[str, ...]
    overall: pd.DataFrame
    single: pd.DataFrame
    share: float = math.nan

    @property
    def size(self) -> str:
        """The radius in words: in px, or of the crop's width."""
        return f"{self.radius:g} px" if math.isnan(self.share) else f"{100 * self.share:g} % of the input's width"


@lru_cache(maxsize=64)  # every section asks for it
def main_slice(run: Run, level: str) -> Slice | None:
    """The cells of ``level`` that stand for it: centred if run, at the protocol's radius if run, else the smallest."""
    rows = run.cells[run.cells["level"] == level]
    if rows.empty:
        return None
    placements = list(dict.fromkeys(rows["placement"]))
    placement = CENTRED if CENTRED in placements else placements[0]
    rows = rows[rows["placement"] == placement]
    radii = tuple(sorted(rows["radius"].dropna().unique().tolist()))
    radius = DEFAULT_RADIUS if DEFAULT_RADIUS in radii else radii[0]
    rows = rows[rows["radius"] == radius]
    whole = rows["keypoint"] == ALL
    return Slice(
        level=level,
        radius=radius,
        placement=placement,
        radii=radii,
        fills=tuple(order_fills(rows["fill"])),
        targets=tuple(order_targets(run, level, rows["target"])),
        overall=with_family(rows[whole]),
        single=by_question(run, rows[~whole]),
        share=float(rows["radius_share"].iloc[0]),
    )


def by_question(run: Run, single: pd.DataFrame) -> pd.DataFrame:
    """Rows of single keypoints with p corrected by question: the own losses among them, and the collateral ones."""
    own_keypoints = run.manifest.skeleton.own_keypoints
    keys = zip(single["level"], single["target"], single["keypoint"], strict=True)
    own = pd.Series([keypoint in own_keypoints(level, target) for level, target, keypoint in keys], single.index, bool)
    return pd.concat([with_family(single[own]), with_family(single[~own])]).sort_index()


def order_targets(run: Run, level: str, targets: Iterable[str]) -> list[str]:
    """``targets`` without repeats, in the skeleton's order; unknown ones last, by name."""
    known = {name: place for place, name in enumerate(run.manifest.skeleton.targets(level))}
    return sorted(set(targets), key=lambda t: (known.get(t, len(known)), t))


def order_keypoints(run: Run, keypoints: Iterable[str]) -> list[str]:
    """``keypoints`` without repeats, in the skeleton's order; unknown ones last, by name."""
    return order_targets(run, "keypoint", keypoints)


def clean_row(run: Run, keypoint: str = ALL) -> pd.Series | None:
    """The clean cell's row for ``keypoint``, if there is one."""
    rows = run.cells[(run.cells["level"] == "clean") & (run.cells["keypoint"] == keypoint)]
    return rows.iloc[0] if len(rows) else None


def maximum(values: Iterable[float]) -> float:
    """The largest of ``values`` that is a number; NaN where none is."""
    return max((float(v) for v in values if not math.isnan(v)), default=math.nan)
