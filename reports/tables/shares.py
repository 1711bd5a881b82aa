"""Loss against the share of the person that is hidden, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..findings.shares import Share
from ..reading.names import number
from .table import Column, Row, Table


def shares_table(single: Sequence[Share], pooled: Sequence[Share]) -> Table:
    """All attacks of a fill together, all in all and by share; then the attacks one by one."""
    columns = (
        Column("fill", "fill"),
        Column("target", "hidden"),
        Column("radius", "r, px", "px"),
        Column("bin", "shares"),
        Column("n", "n", "count"),
        Column("share", "mean share", "plain"),
        Column("keypoints", "keypoints", "plain"),
        Column("beyond", "beyond the region", "plain"),
        Column("loss", "loss of OKS", "points"),
        Column("excess", "beside all fills", "points"),
    )
    rows = [
        Row(
            (
                *(one.fill, one.target, one.radius, _bin(one), float(one.n), one.share, one.keypoints, one.beyond),
                *(one.loss, one.excess),
            ),
            {"fill": one.fill, "target": one.target},
        )
        for one in (*pooled, *single)
    ]
    caption = (
        "n: attacked persons. Share: hidden pixels of the person over those of the hull of the labelled keypoints, "
        "grown by 6 px; keypoints: labelled ones that are hidden; beyond the region: of an object. Loss of OKS in "
        "points (× 100) [95 % interval, over photos]; beside all fills: at the same shares."
    )
    return Table("shares", caption, columns, tuple(rows), folded=True)


def _bin(one: Share) -> str:
    if math.isnan(one.least):
        return "all"
    return (
        f"{number(one.least, 2)} to {number(one.most, 2)}"
        if not math.isnan(one.most)
        else f"from {number(one.least, 2)}"
    )
