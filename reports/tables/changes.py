"""Models against a baseline, in tables: what is lost less, and how much higher an AP is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from occbench.evaluation.changes import Compared, Group, Measure, groups_of

from ..findings.controls import NO_ESTIMATE, Estimate
from ..reading.drops import Saving
from ..reading.load import LEVELS
from ..reading.names import counted, order_fills
from .table import Column, Row, Table, Value

KEY = "changes"
MOST = 8
"""Columns of numbers that stand beside each other on the page without scrolling."""

SIGN = "Positive is better than the baseline."


def saving(change: Measure) -> Saving:
    """A change that is better when positive, points."""
    return Saving(change.value, change.low, change.high, change.p_adjusted)


def estimate(measure: Measure) -> Estimate:
    """A figure with its interval, points."""
    return Estimate(measure.value, measure.low, measure.high)


def key_table(compared: Sequence[Compared]) -> Table:
    """What is hidden by row; what the baseline loses, and how much less each of the others does."""
    kinds = _kinds(compared, [""])
    bases = list(dict.fromkeys(one.baseline for one in compared))
    several = len(bases) > 1
    columns = [Column("hidden", "hidden")]
    base_rows = {base: {m.key: m for one in compared if one.baseline == base for m in one.base} for base in bases}
    columns += [Column(f"base_{i}", _title(base), "points", group="loses") for i, base in enumerate(bases)]
    for i, one in enumerate(compared):
        group = f"loses less than {one.baseline.name} by" if not several else "loses less by"
        columns.append(Column(f"less_{i}", _title(one.group), "points", group=group))
    rows = []
    for level, fill, _ in kinds:
        key = ("drop", level, fill, "")
        n = max((m.n for one in compared for m in one.changes if m.key == key), default=0)
        values: list[Value] = [f"{counted(n, level)}, {fill}"]
        values += [estimate(known[key]) if key in known else NO_ESTIMATE for known in base_rows.values()]
        values += [_find(one, key) for one in compared]
        rows.append(Row(tuple(values), {"hidden": f"{level}-{fill}"}))
    caption = (
        "Mean drop of AP over what is hidden, points [95 % interval]: what the baseline loses, and how much less of "
        f"it each other model loses. {SIGN} In italics: cannot be told from zero, by its interval or by its p, "
        "which is corrected for how many figures are compared."
    )
    return Table(KEY, caption, tuple(columns), tuple(rows), stacked=True)


def ap_table(compared: Sequence[Compared]) -> Table:
    """The clean AP, and the mean AP under attack: of the baseline, and how much higher those of the others are."""
    kinds = [("clean", "", ""), *_kinds(compared, [""])]
    bases = list(dict.fromkeys(one.baseline for one in compared))
    columns = [Column("ap_under", "AP x 100")]
    columns += [Column(f"base_{i}", _title(base), "points", group="AP") for i, base in enumerate(bases)]
    columns += [Column(f"higher_{i}", _title(one.group), "points", group="higher by") for i, one in enumerate(compared)]
    rows = []
    for level, fill, _ in kinds:
        key = ("ap", level, fill, "")
        values: list[Value] = ["clean" if not fill else f"{level}s, {fill}"]
        for base in bases:
            known = {m.key: m for one in compared if one.baseline == base for m in one.base}
            values.append(estimate(known[key]) if key in known else NO_ESTIMATE)
        values += [_find(one, key) for one in compared]
        rows.append(Row(tuple(values), {"hidden": f"{level}-{fill}" if fill else level}))
    caption = f"Clean AP and mean AP under attack, x 100 [95 % interval]: the baseline's, and how much higher. {SIGN}"
    return Table("changes_ap", caption, tuple(columns), tuple(rows), stacked=True)


def target_tables(compared: Sequence[Compared]) -> list[Table]:
    """By level, what is lost less when a target is hidden, by fill and model; a table per fill where they are many."""
    found = []
    for level in LEVELS:
        fills = order_fills({c.fill for one in compared for c in one.targets() if c.level == level})
        together = len(fills) * len(compared) <= MOST
        if together:
            found.append(_targets(compared, level, fills, f"changes_{level}"))
        else:
            found += [_targets(compared, level, [fill], f"changes_{level}_{fill}") for fill in fills]
    return [table for table in found if table.rows]


def _targets(compared: Sequence[Compared], level: str, fills: Sequence[str], name: str) -> Table:
    targets = list(
        dict.fromkeys(c.target for one in compared for c in one.targets() if c.level == level and c.fill in fills)
    )
    columns = [Column("target", f"hidden {level}")]
    columns += [
        Column(f"{fill}_{i}", one.group.name, "points", group=fill) for fill in fills for i, one in enumerate(compared)
    ]
    rows = [
        Row(
            (
                target.replace("_", " "),
                *(_find(one, ("drop", level, fill, target)) for fill in fills for one in compared),
            ),
            {"target": target},
        )
        for target in targets
    ]
    of = f", {fills[0]}" if len(fills) == 1 else ""
    bases = " or ".join(dict.fromkeys(one.baseline.name for one in compared))
    caption = (
        f"By how many points each model loses less than {bases} when one {level} is hidden{of} [95 % interval, paired "
        f"by photo]. {SIGN} In italics: cannot be told from zero."
    )
    return Table(name, caption, tuple(columns), tuple(rows), tinted=True, stacked=True)


def groups_table(compared: Sequence[Compared], labels: Sequence[str], facts: Sequence[str]) -> Table:
    """Who is compared: every group, its runs, and how their model was trained."""
    groups = groups_of(compared)
    bases = {one.baseline for one in compared}
    columns = [Column("model", "model"), Column("role", "role"), Column("runs", "runs"), Column("training", "training")]
    rows = [
        Row(
            (
                group.name,
                "baseline" if group in bases else "",
                ", ".join(labels[place] for place in group.runs),
                facts[group.runs[0]],
            ),
            {"model": group.name},
        )
        for group in groups
    ]
    return Table("models", "What is compared.", tuple(columns), tuple(rows), stacked=True)


def clean_changes(labels: Sequence[str], compared: Sequence[Compared]) -> dict[str, Estimate]:
    """The change of clean AP by the name of a run that stands alone for its group."""
    return {labels[one.group.runs[0]]: estimate(one.changes[0]) for one in compared if len(one.group.runs) == 1}


def _kinds(compared: Sequence[Compared], targets: Iterable[str]) -> list[tuple[str, str, str]]:
    found = {(c.level, c.fill, c.target) for one in compared for c in one.changes if c.fill and c.target in targets}
    fills = order_fills(fill for _, fill, _ in found)
    return sorted(found, key=lambda kind: (LEVELS.index(kind[0]), fills.index(kind[1]), kind[2]))


def _find(one: Compared, key: tuple[str, str, str, str]) -> Value:
    return next((saving(change) for change in one.changes if change.key == key), NO_ESTIMATE)


def _title(group: Group) -> str:
    return group.name if len(group.runs) == 1 else f"{group.name} ({len(group.runs)} seeds)"
