"""What errors turn into: the joints of a level, by fill, from their kind without the attack to that under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..reading.drops import records
from ..reading.load import Run
from ..reading.names import counted, listed
from ..reading.slices import ALL, Slice
from .controls import Estimate

KINDS = ("good", "jitter", "inversion", "swap", "miss", "lost")
JOINTS = ("own", "collateral")

_BECOMES = {
    "jitter": "lie a little off",
    "inversion": "go to the joint of the other side",
    "swap": "go to another person",
    "miss": "become misses",
    "lost": "are lost with their person",
}
_CALLED = {"own": "hidden", "collateral": "other"}


@dataclass(frozen=True)
class Flow:
    """The joints of one group under one fill.

    Attributes:
        level: What was hidden.
        fill: With what.
        joints: ``own`` (hidden) or ``collateral``.
        total: Joints.
        n: By kind without and kind under the attack: how many.
        of_clean: By the same: their share of those of the first kind, with its interval.
    """

    level: str
    fill: str
    joints: str
    total: int
    n: dict[tuple[str, str], int]
    of_clean: dict[tuple[str, str], Estimate]

    def before(self, kind: str) -> int:
        """Joints of a kind without the attack."""
        return sum(n for (clean, _), n in self.n.items() if clean == kind)

    def after(self, kind: str) -> int:
        """Joints of a kind under it."""
        return sum(n for (_, attacked), n in self.n.items() if attacked == kind)


def flows(run: Run, part: Slice) -> list[Flow]:
    """The flows of a level over all of its targets, by fill and group; none of a run without them."""
    rows = run.errors
    rows = rows[(rows["level"] == part.level) & (rows["radius"] == part.radius) & (rows["placement"] == part.placement)]
    together = rows[rows["target"] == ALL]
    rows = together if len(together) else rows
    found = []
    for fill in part.fills:
        for joints in JOINTS:
            given = records(rows[(rows["fill"] == fill) & (rows["joints"] == joints)])
            if given:
                pairs = [(str(r["clean"]), str(r["attacked"])) for r in given]
                n = {pair: int(r["n"]) for pair, r in zip(pairs, given, strict=True)}
                shares = {
                    pair: Estimate(r["of_clean"], r["of_clean_lo"], r["of_clean_hi"])
                    for pair, r in zip(pairs, given, strict=True)
                }
                found.append(Flow(part.level, fill, joints, int(given[0]["total"]), n, shares))
    return found


def flow_sentences(found: Sequence[Flow]) -> list[str]:
    """What becomes of the hidden joints that were good, by fill."""
    return [sentence for flow in found if flow.joints == "own" and (sentence := _sentence(flow))]


def _sentence(flow: Flow) -> str:
    good = flow.before("good")
    if not good:
        return ""
    moved = [
        (flow.n.get(("good", kind), 0), f"{_percent(flow.of_clean['good', kind])} {words}")
        for kind, words in _BECOMES.items()
        if flow.n.get(("good", kind), 0)
    ]
    moved.sort(key=lambda each: -each[0])
    stay = _percent(flow.of_clean["good", "good"])
    rest = f"; {stay} stay good" if moved else f"{stay} stay good"
    what = counted(good, f"{_CALLED[flow.joints]} joint")
    return f"{flow.fill.capitalize()}: of the {what} that were good, {listed(words for _, words in moved)}{rest}."


def _percent(share: Estimate) -> str:
    """``61 % [55, 67]``."""
    ends = f" [{100 * share.low:.0f}, {100 * share.high:.0f}]" if share.low == share.low else ""
    return f"{100 * share.value:.0f} %{ends}"
