"""Models against a baseline, in words: a claim only where the paired interval and the corrected p bear it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occbench.evaluation.changes import Compared, Measure

from ..reading.names import brackets, counted, listed, number


def comparison_reading(compared: Sequence[Compared]) -> list[str]:
    """Which model loses less, under what and by how much; a few sentences for each."""
    return [
        " ".join((_robustness(one), *_targets(one), _clean(one))) if not one.floors else _floor(one) for one in compared
    ]


def _floor(one: Compared) -> str:
    """Why nothing is said of a comparison."""
    low = listed(name for name, _ in one.floors)
    return (
        f"Whether {one.group.name} is more robust than {one.baseline.name} cannot be said: {low} "
        f"{'has' if len(one.floors) == 1 else 'have'} nothing left to lose."
    )


def comparison_caveats(compared: Sequence[Compared]) -> list[str]:
    """What the intervals do not know."""
    alone = [one for one in compared if one.by_photos_alone]
    said = []
    if alone:
        whose = "" if len(alone) == len(compared) else f" of {listed(one.group.name for one in alone)}"
        said.append(
            f"The intervals{whose} are by the photos alone: they tell how far other photos would move a figure. Each "
            "model is one training, and the same training with another seed gives another model, which may differ by "
            "more than is shown here."
        )
    others: dict[str, list[str]] = {}
    for one in compared:
        if not one.by_photos_alone:
            others.setdefault(_over_seeds(one), []).append(one.group.name)
    return said + [f"{listed(names)}: {caveat}" for caveat, names in others.items()]


def _over_seeds(one: Compared) -> str:
    seeds = counted(one.seeds, "seed")
    if one.pairs:
        return f"mean of {seeds}, each paired with the baseline's of the same seed; intervals over photos and seeds."
    if len(one.baseline.runs) == 1:
        return (
            f"mean of {seeds} against one training of {one.baseline.name}; the intervals know the chance of the photos "
            "and of these seeds, not of the baseline's."
        )
    return f"mean of {seeds}, other ones than the baseline's; intervals over photos and all seeds."


def _robustness(one: Compared) -> str:
    drops = [change for change in one.means() if change.quantity == "drop"]
    mine, base = one.group.name, one.baseline.name
    if not drops:
        return f"{mine} and {base} have no attack in common."
    if all(math.isnan(change.low) for change in drops):
        most = max(drops, key=lambda change: abs(change.value))
        return (
            f"{mine} against {base}: without intervals chance is not ruled out; the largest difference is {_by(most)}."
        )
    clear = sorted((c for c in drops if c.clear), key=lambda c: -abs(c.value))
    if not clear:
        most = max(drops, key=lambda change: abs(change.value))
        return (
            f"{mine} against {base}: no difference in what attacks cost can be told from chance; the largest is "
            f"{_by(most)}."
        )
    better, worse = ([c for c in clear if c.value * sign > 0 and not _other_way(one, c)] for sign in (1, -1))
    said = [f"{mine} is more robust than {base} under {listed(map(_by, better))}"] if better else []
    if worse:
        said.append(f"{'less' if better else f'{mine} is less robust than {base}'} under {listed(map(_by, worse))}")
    rest = len(drops) - len(clear)
    if rest:
        said.append(f"under the other {counted(rest, 'kind')} of attack no difference can be told from chance")
    undecided = [change for change in clear if _other_way(one, change)]
    sentences = [_undecided(one, undecided)] if undecided else []
    if better or worse:
        sentences.insert(0, "; ".join(said) + ".")
    elif said:
        sentences.append(f"{said[0][0].upper()}{said[0][1:]}.")
    return " ".join(sentences)


def _shares(one: Compared, change: Measure) -> tuple[float, float]:
    """How much of their clean AP the group and the baseline lose, fractions."""
    mine, theirs = (next(m.value for m in side if m.key == change.key) / side[0].value for side in (one.own, one.base))
    return mine, theirs


def _other_way(one: Compared, change: Measure) -> bool:
    """Whether the side that loses fewer points loses the larger share of its AP: it had less to lose."""
    mine, theirs = _shares(one, change)
    return (theirs - mine) * change.value < 0


def _undecided(one: Compared, changes: Sequence[Measure]) -> str:
    mine, base = one.group.name, one.baseline.name
    said = []
    for change in changes:
        own, theirs = (f"{100 * share:.0f} %" for share in _shares(one, change))
        said.append(f"{_by(change)[:-1]}, but {own} of its AP against {theirs})")
    return (
        f"Whether {mine} is more robust than {base} cannot be said under {listed(said)}: the model of lower AP has "
        "less to lose."
    )


def _by(change: Measure) -> str:
    """``part meanout (loses 2.7 points less [1.3, 4.1])``."""
    size = abs(change.value)
    low, high = (change.low, change.high) if change.value >= 0 else (-change.high, -change.low)
    how = "less" if change.value >= 0 else "more"
    return f"{change.level} {change.fill} (loses {number(size, 1)} points {how}{_bracketed(low, high)})"


def _targets(one: Compared) -> list[str]:
    known = [change for change in one.targets() if not math.isnan(change.low)]
    less = sum(change.clear and change.value > 0 for change in known)
    more = sum(change.clear and change.value < 0 for change in known)
    if not less and not more:
        return []
    said = f"it loses clearly less under {less or 'none'}, clearly more under {more or 'none'}"
    return [f"Of {counted(len(known), 'single attack')} {said}."]


def _clean(one: Compared) -> str:
    change = one.changes[0]
    ends = _bracketed(change.low, change.high)
    if change.clear:
        word = "higher" if change.value > 0 else "lower"
        low, high = (change.low, change.high) if change.value > 0 else (-change.high, -change.low)
        return f"Without occlusion its AP is {number(abs(change.value), 1)} points {word}{_bracketed(low, high)}."
    told = "the difference in AP cannot be told from chance" if ends else "chance is not ruled out"
    sign = "+" if change.value > 0 else ""
    return f"Without occlusion {told} ({sign}{number(change.value, 1)} points{ends})."


def _bracketed(low: float, high: float) -> str:
    ends = brackets(low, high)
    return f" {ends}" if ends else ""
