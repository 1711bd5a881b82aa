"""What hiding costs against the share of the person that is hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..reading.drops import records
from ..reading.load import Run
from ..reading.names import number
from ..reading.slices import ALL, CENTRED
from .controls import Estimate


@dataclass(frozen=True)
class Share:
    """The attacked persons of one attack, or of a fill's attacks together.

    Attributes:
        level: ``keypoint``, ``part`` or ``all``.
        fill: With what they were hidden, or ``all``.
        target: What was hidden, or ``all``.
        radius: Crop px; NaN for all.
        least: Lower end of the bin of shares; ``most``: upper end. NaN: all shares, or no end.
        n: Persons.
        share: Mean share of the body hidden; ``keypoints``: mean number of keypoints hidden.
        beyond: Share of the hidden pixels beyond the region; NaN but for objects.
        loss: Of OKS, points; ``excess``: beyond all fills at the same shares.
    """

    level: str
    fill: str
    target: str
    radius: float
    least: float
    most: float
    n: int
    share: float
    keypoints: float
    beyond: float
    loss: Estimate
    excess: Estimate


def attack_shares(run: Run) -> list[Share]:
    """The centred attacks, one by one."""
    rows = run.shares
    return _read(rows[(rows["level"] != ALL) & (rows["placement"] == CENTRED)])


def pooled_shares(run: Run) -> list[Share]:
    """All centred attacks together: by fill about all shares, then by bin."""
    return _read(run.shares[run.shares["level"] == ALL])


def _read(rows: pd.DataFrame) -> list[Share]:
    return [
        Share(
            *(str(r["level"]), str(r["fill"]), str(r["target"]), float(r["radius"])),
            *(float(r["share_from"]), float(r["share_to"]), int(r["n"])),
            *(float(r["share"]), float(r["keypoints"]), float(r["beyond"])),
            Estimate(r["loss"], r["loss_lo"], r["loss_hi"]),
            Estimate(r["excess"], r["excess_lo"], r["excess_hi"]),
        )
        for r in records(rows)
    ]


def excess_sentences(pooled: Sequence[Share]) -> list[str]:
    """Which fills cost more or less than all of them at the same shares; none where nothing can be told."""
    more: list[str] = []
    less: list[str] = []
    for one in pooled:
        low, high = one.excess.low, one.excess.high
        if math.isnan(one.least) and one.fill != ALL and not math.isnan(low) and (low > 0 or high < 0):
            ends = (low, high) if low > 0 else (-high, -low)  # of how much more, or how much less
            text = f"{one.fill} {number(abs(one.excess.value), 1)} [{number(ends[0], 1)}, {number(ends[1], 1)}]"
            (more if low > 0 else less).append(text)
    said = [f"more under {', '.join(more)}"] * bool(more) + [f"less under {', '.join(less)}"] * bool(less)
    if not said:
        return []
    return [
        "At equal shares of the person hidden, OKS loses, in points beside all fills together [95 % interval of the "
        f"difference]: {'; '.join(said)}. Intervals are not corrected for their number."
    ]
