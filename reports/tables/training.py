"""Clean figures by training, in the layout of Tables I, II and III of the thesis, and figures by group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..findings.controls import NO_ESTIMATE, Estimate
from ..findings.overall import COCO_FIGURES, clean_figures
from ..reading.drops import NO_DROP, drop_of, records, with_family
from ..reading.load import Run
from ..reading.published import COLUMNS, JOINTS, PCKH, TABLE_2, PublishedRow, comparable_table, is_hrnet_w32, on_mpii
from ..reading.slices import Slice
from .table import Column, Row, Table

_ABOUT = (
    Column("run", "run"),
    Column("augmentation", "augmentation"),
    Column("level", "level"),
    Column("removal", "removal"),
    Column("p", "p", "px"),
)


def training_tables(
    runs: Sequence[Run], labels: Sequence[str], changes: Mapping[str, Estimate] = MappingProxyType({})
) -> list[Table]:
    """Measured rows, then published ones where a run compares with them: of AP, and of PCKh by joint.

    Args:
        runs: The runs.
        labels: Their names.
        changes: Of the clean AP against a baseline, AP points, by label.
    """
    found = []
    by_ap = [(run, label) for run, label in zip(runs, labels, strict=True) if run.metric == "AP"]
    if by_ap:
        columns = [Column(name, COCO_FIGURES[name], "points") for name in COLUMNS]
        rows = []
        for run, label in by_ap:
            figures = {f.column: 100 * f.measured for f in clean_figures(run)}
            change = (changes.get(label, NO_ESTIMATE),) if changes else ()
            rows.append(Row((*_about(run, label), *(figures[name] for name in COLUMNS), *change), {"run": label}))
        if changes:
            columns.append(Column("change", "change of AP", "points"))
        caption = "AP × 100 without occlusion, in the layout of Tables I and III of the thesis."
        found.append(_table("training_ap", caption, columns, rows, comparable_table([run for run, _ in by_ap])))
    by_joint = [(r, label, joints) for r, label in zip(runs, labels, strict=True) if (joints := clean_groups(r, PCKH))]
    if by_joint:
        columns = [Column(name.lower(), "Total" if name == "Mean" else name, "points") for name in JOINTS]
        rows = []
        for run, label, joints in by_joint:
            figures = {name: 100 * joints[name].value if name in joints else math.nan for name in JOINTS}
            rows.append(Row((*_about(run, label), *figures.values()), {"run": label}))
        compared = any(on_mpii(run) and is_hrnet_w32(run, (256, 256)) for run, _, _ in by_joint)
        caption = f"{PCKH} × 100 without occlusion, in the layout of Table II of the thesis."
        found.append(_table("training_pckh", caption, columns, rows, ("Table II", TABLE_2) if compared else None))
    return found


def _about(run: Run, label: str) -> tuple[str, str, str, str, float]:
    recipe = run.manifest.model.augmentation
    if recipe is None:
        return label, "", "", "", math.nan
    p = math.nan if recipe.p is None else recipe.p
    name = f"{recipe.name}, {recipe.decoys} decoys" if recipe.decoys else recipe.name
    return label, name, recipe.level or "", _tick(recipe.removal), p


def _tick(flag: bool | None) -> str:
    return "" if flag is None else ("yes" if flag else "no")


def _table(
    name: str,
    caption: str,
    columns: Sequence[Column],
    measured: Sequence[Row],
    published: tuple[str, tuple[PublishedRow, ...]] | None,
) -> Table:
    rows = list(measured)
    if published is not None:
        source, table = published
        caption += f" Rows marked as published are {source}'s: the same data and model, not measured here."
        for row in table:
            p = math.nan if row.p is None else row.p
            about = (
                "HRNet" if source != "Table III" else "HigherHRNet",
                row.augmentation,
                row.level,
                _tick(row.removal),
                p,
            )
            blank = [math.nan] * (len(columns) - len(row.figures))
            rows.append(Row((*about, *row.figures, *blank), note="published"))
    return Table(name, caption, (*_ABOUT, *columns), tuple(rows), stacked=True)


def clean_groups(run: Run, metric: str) -> dict[str, Estimate]:
    """Figures of the clean cell by group of joints, limbs or images (fractions); empty where the run has none."""
    rows = run.groups[(run.groups["level"] == "clean") & (run.groups["metric"] == metric)]
    return {r["group"]: Estimate(float(r["value"]), float(r["value_lo"]), float(r["value_hi"])) for r in records(rows)}


def groups_table(run: Run) -> Table | None:
    """The clean cell by group, one row per metric; None where the run has no groups."""
    metrics = list(dict.fromkeys(run.groups["metric"]))
    figures = {metric: clean_groups(run, metric) for metric in metrics}
    groups = list(dict.fromkeys(group for found in figures.values() for group in found))
    if not groups:
        return None
    columns = [Column("metric", "metric"), *(Column(_key(group), group, "ap") for group in groups)]
    rows = [
        Row((metric, *(found.get(group, NO_ESTIMATE) for group in groups)), {"metric": metric})
        for metric, found in figures.items()
    ]
    return Table("groups", "Without occlusion, by group [95 % interval].", tuple(columns), tuple(rows))


def group_drops_table(run: Run, part: Slice) -> Table | None:
    """Drops by group, of the metric that the data set is scored with; None where the run has no groups."""
    table = run.groups[run.groups["metric"] == run.metric]
    table = table[
        (table["level"] == part.level) & (table["radius"] == part.radius) & (table["placement"] == part.placement)
    ]
    if table.empty:
        return None
    groups = list(dict.fromkeys(table["group"]))
    found = {(r["target"], r["fill"], r["group"]): drop_of(r) for r in records(with_family(table))}
    columns = [Column("target", f"hidden {part.level}"), Column("fill", "fill")]
    columns += [Column(_key(group), group, "points") for group in groups]
    rows = [
        Row((target, fill, *(found.get((target, fill, g), NO_DROP) for g in groups)), {"target": target, "fill": fill})
        for target in part.targets
        for fill in part.fills
    ]
    caption = f"Drop of {run.metric} by group per hidden {part.level}, points (× 100) [95 % interval]."
    return Table(f"groups_{part.level}", caption, tuple(columns), tuple(rows), folded=True, tinted=True, shown=150)


def _key(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.lower())
