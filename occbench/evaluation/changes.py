"""How models do against a baseline on the same photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .intervals import distinguishable

Quantity = Literal["ap", "drop"]


@dataclass(frozen=True)
class Measure:
    """A figure in points (AP x 100) with its 95 % interval. NaN: no such number.

    Attributes:
        quantity: ``ap``, or ``drop``: clean minus attacked.
        level: ``keypoint`` or ``part``; ``clean`` without attack.
        fill: Of the attacks; empty without.
        target: What is hidden; empty for the mean over ``n`` attacks.
        n: How many attacks it is the mean over; 1 without any.
        photos: Photos that speak; of a change, those in which the models' figures are not made of the same. Below 6
            there is no interval. -1: not asked.
        value: The figure.
        low: Lower end of its interval; ``high``: upper end.
        p: Two-sided p of "it is 0", uncorrected.
        p_adjusted: Corrected (Holm) over the comparisons that answer the same question: all means, or all targets.
        se_photos: Standard error that other photos bring; ``se_seeds``: what other seeds bring.
    """

    quantity: Quantity
    level: str
    fill: str
    target: str
    n: int
    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_adjusted: float = math.nan
    se_photos: float = math.nan
    se_seeds: float = math.nan
    photos: int = -1

    @property
    def name(self) -> str:
        """``clean``, LEVEL-FILL, or LEVEL-FILL:TARGET."""
        kind = f"{self.level}-{self.fill}" if self.fill else self.level
        return f"{kind}:{self.target}" if self.target else kind

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is about."""
        return self.quantity, self.level, self.fill, self.target

    @property
    def family(self) -> tuple[str, bool]:
        """The comparisons that its p is corrected over: of one quantity, the means or the single targets."""
        return self.quantity, bool(self.target)

    @property
    def clear(self) -> bool:
        """Whether it can be told from zero: by its interval and by its corrected p."""
        return bool(distinguishable(self.low, self.high, self.p_adjusted))


@dataclass(frozen=True)
class Group:
    """Runs that differ by the seed of their training alone; often one.

    Attributes:
        name: For people.
        runs: Their places among the runs.
    """

    name: str
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Compared:
    """A group of runs beside the baseline over the same boxes.

    Attributes:
        group: What is compared; ``baseline``: with what.
        pairs: Places of runs with the same seed, the group's before the baseline's; empty where no seeds are shared.
        own: The group's AP and drops; ``base``: the baseline's, of the same attacks.
        changes: In the same order, positive is better than the baseline: how much higher an AP is, how much is lost
            less of it (a drop of the baseline minus that of the group).
        floors: Runs of either side, by name, whose clean AP is too low for a drop to say anything, and why.
    """

    group: Group
    baseline: Group
    pairs: tuple[tuple[int, int], ...]
    own: tuple[Measure, ...] = field(default=(), repr=False)
    base: tuple[Measure, ...] = field(default=(), repr=False)
    changes: tuple[Measure, ...] = field(default=(), repr=False)
    floors: tuple[tuple[str, str], ...] = ()

    @property
    def seeds(self) -> int:
        """Trainings of the group that speak."""
        return len(self.pairs) or len(self.group.runs)

    @property
    def by_photos_alone(self) -> bool:
        """Whether the intervals know nothing of other seeds: one training stands against one."""
        return self.seeds == 1 and (bool(self.pairs) or len(self.baseline.runs) == 1)

    def means(self) -> tuple[Measure, ...]:
        """The changes that are no single target's: the clean AP first, then AP and drops by level and fill."""
        return tuple(change for change in self.changes if not change.target)

    def targets(self, quantity: Quantity = "drop") -> tuple[Measure, ...]:
        """The changes by target."""
        return tuple(change for change in self.changes if change.target and change.quantity == quantity)

    def worse_than(self, points: float, on: Literal["interval", "estimate"] = "interval") -> tuple[Measure, ...]:
        """The mean APs that lie more than so many points below the baseline's.

        Args:
            points: AP points.
            on: ``interval``: the whole interval lies below (where there is none, the figure decides); ``estimate``: the
                figure does.
        """
        aps = [change for change in self.means() if change.quantity == "ap"]
        return tuple(c for c in aps if (c.high if on == "interval" and not math.isnan(c.high) else c.value) < -points)


def groups_of(compared: Sequence[Compared]) -> list[Group]:
    """Every group of a comparison once, baselines first."""
    return list(dict.fromkeys([*(one.baseline for one in compared), *(one.group for one in compared)]))
