"""A drop with its uncertainty, and what may be said about it.

Drops are points of the run's metric (x 100), a loss is positive, NaN is "no such number". An interval of a mean (of a
difference) is put together from the ends of its members' intervals: with members that are not perfectly correlated it
is too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from occbench.evaluation.intervals import distinguishable, holm

FAMILY = "p_family"
"""Column with p, corrected over the drops of its family."""


@dataclass(frozen=True)
class Drop:
    """A loss in points, with its 95 % interval where the run has one.

    Attributes:
        value: The loss.
        low: Lower end of the interval.
        high: Upper end.
        p: Of "no drop", corrected (Holm) over the drops that it is shown with; NaN where the interval alone decides.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether anything can be said about chance."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def clear(self) -> bool:
        """Whether the drop can be told from zero."""
        # A mean that is put together from intervals has no p, so none objects.
        return bool(distinguishable(self.low, self.high, 0.0 if math.isnan(self.p) else self.p))

    @property
    def indistinct(self) -> bool:
        """Whether there is an interval and the drop cannot be told from zero."""
        return self.has_interval and not self.clear


@dataclass(frozen=True)
class Saving(Drop):
    """Points by which a model does better than another: it loses less, or its AP is higher."""


NO_DROP = Drop(math.nan)


Record: TypeAlias = "dict[str, Any]"
"""A row of cells.csv: a column's name to its value."""


def records(rows: pd.DataFrame) -> list[Record]:
    """``rows`` one by one, which is many times faster than pandas' own rows."""
    return cast("list[Record]", rows.to_dict("records"))


def drop_of(row: Mapping[str, Any]) -> Drop:
    """The drop of a row of cells.csv."""
    p = float(row[FAMILY]) if FAMILY in row else math.nan
    return Drop(float(row["drop"]), float(row["drop_lo"]), float(row["drop_hi"]), p)


def with_family(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with p corrected over the drops of their family, as cells.csv names it.

    A run of before there were families has it corrected over all of ``rows``.
    """
    if "family" in rows and (rows["family"] != "").any():
        return rows.assign(**{FAMILY: rows["p_adjusted"].to_numpy(dtype=float)})
    return rows.assign(**{FAMILY: holm(rows["p"].to_numpy(dtype=float))})


def mean_of(drops: Iterable[Drop]) -> Drop:
    """Mean of the drops that are a number; an interval where each of those has one."""
    known = [drop for drop in drops if not math.isnan(drop.value)]
    if not known:
        return NO_DROP
    value, low, high = np.mean([(drop.value, drop.low, drop.high) for drop in known], axis=0).tolist()
    return Drop(value, low, high)


def minus(left: Drop, right: Drop, times: float = 1.0) -> Drop:
    """``left`` - ``times`` x ``right``, for ``times`` >= 0."""
    return Drop(left.value - times * right.value, left.low - times * right.high, left.high - times * right.low)


def negative(drop: Drop) -> Drop:
    """The gain that a loss is."""
    return Drop(-drop.value, -drop.high, -drop.low, drop.p)


def largest(values: Sequence[Drop]) -> float:
    """The largest absolute drop; 0 where there is none."""
    return max((abs(drop.value) for drop in values if not math.isnan(drop.value)), default=0.0)
