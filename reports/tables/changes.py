"""The change of AP against a baseline, in tables (Table I and Fig. 11 of the thesis)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occbench.evaluation.changes import Change, Compared

from ..findings.compare import boxes_label, recipe_label
from ..findings.controls import NO_ESTIMATE, Estimate
from ..reading.load import Run
from ..reading.names import span
from ..reading.slices import clean_row
from .table import Column, Row, Table, Value

NAME = "changes"


def estimate(change: Change) -> Estimate:
    """A change with its interval, AP points."""
    return Estimate(change.value, change.low, change.high)


def changes_table(runs: Sequence[Run], labels: Sequence[str], compared: Sequence[Compared]) -> Table:
    """One row per run: its clean AP, and the change of clean and attacked AP against its baseline."""
    kinds = list(dict.fromkeys((c.level, c.fill) for one in compared for c in one.changes if c.fill))
    columns = [Column("run", "run"), Column("training", "training"), Column("boxes", "boxes"), Column("role", "")]
    columns += [Column("ap", "clean AP", "ap"), Column("change", "clean", "points", group="change of AP, points")]
    columns += [
        Column(f"change_{level}_{fill}", f"{level}, {fill}", "points", fill, "change of AP, points")
        for level, fill in kinds
    ]
    by_run = {one.run: {(c.level, c.fill): estimate(c) for c in one.changes} for one in compared}
    bases = {one.baseline for one in compared}
    rows = []
    for place, (run, label) in enumerate(zip(runs, labels, strict=True)):
        if place not in by_run and place not in bases:
            continue
        mine = by_run.get(place, {})
        clean = clean_row(run)
        assert clean is not None  # load_run refuses a run without it
        values: list[Value] = [label, recipe_label(run), boxes_label(run), "" if mine else "baseline"]
        values.append(Estimate(float(clean["ap"]), float(clean["ap_lo"]), float(clean["ap_hi"])))
        values += [mine.get(key, NO_ESTIMATE) for key in (("clean", ""), *kinds)]
        rows.append(Row(tuple(values), {"run": label}))
    caption = (
        "Clean AP, and its change against the baseline on the same boxes, AP points [95 % interval, paired by photo], "
        "positive if better. Under attack: change of the mean AP over the targets that both runs hid."
    )
    return Table(NAME, caption, tuple(columns), tuple(rows))


def clean_changes(labels: Sequence[str], compared: Sequence[Compared]) -> dict[str, Estimate]:
    """The change of clean AP by the run's label."""
    return {labels[one.run]: estimate(one.changes[0]) for one in compared}


def changes_reading(labels: Sequence[str], compared: Sequence[Compared]) -> list[str]:
    """What may be said about every run against its baseline."""
    said = []
    for one in compared:
        clean, attacked = one.changes[0], [change for change in one.changes if change.fill]
        better = [c.name for c in attacked if c.low > 0]
        worse = [c.name for c in attacked if c.high < 0]
        words = [f"{labels[one.run]} against {labels[one.baseline]}: {_clean(clean)}"]
        words += [f"under {', '.join(better)} its AP is higher"] if better else []
        words += [f"under {', '.join(worse)} it is lower"] if worse else []
        if attacked and not better and not worse and not math.isnan(attacked[0].low):
            words.append("under no kind of attack can its mean AP be told from the baseline's")
        said.append("; ".join(words) + ".")
    return said


def _clean(change: Change) -> str:
    if math.isnan(change.low):
        return f"clean AP changes by {change.value:+.1f} points, without an interval"
    if change.low > 0:
        return f"clean AP rises by {span(change.low, change.high)} points"
    if change.high < 0:
        return f"clean AP falls by {span(-change.high, -change.low)} points"
    return f"the change of clean AP cannot be told from zero ({span(change.low, change.high)} points)"
