"""How the AP of a model changes against that of a baseline, on the same photos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A change, in AP points (x 100): positive is better than the baseline. NaN: no such number.

    Attributes:
        level: ``keypoint`` or ``part``; ``clean`` without attack.
        fill: Of the attacks; empty without.
        n: How many attacks it is the mean over; 1 without.
        value: AP of the model minus AP of the baseline.
        low: Lower end of its 95 % interval, paired by photo; ``high``: upper end.
    """

    level: str
    fill: str
    n: int
    value: float
    low: float
    high: float

    @property
    def name(self) -> str:
        """``clean``, or LEVEL-FILL."""
        return f"{self.level}-{self.fill}" if self.fill else self.level


@dataclass(frozen=True)
class Compared:
    """A run beside its baseline.

    Attributes:
        run: Its place among the runs.
        baseline: The baseline's place: the same one for all runs of one source of boxes.
        changes: The clean AP first; then what the attacks that both have come to, by level and fill.
    """

    run: int
    baseline: int
    changes: tuple[Change, ...]

    def worse_than(self, points: float) -> tuple[Change, ...]:
        """The changes that are losses of more than so many points."""
        return tuple(change for change in self.changes if -change.value > points)
