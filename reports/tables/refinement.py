"""Coarse and refined points apart: how near they are, what each loses, and how often the refinement looks elsewhere."""

from __future__ import annotations

from ..findings.controls import NO_ESTIMATE, Estimate
from ..reading.drops import NO_DROP, Drop, Record, records
from ..reading.load import Run
from .stages import attack_name
from .table import Column, Row, Table, Value

READING = (
    "A coarse heatmap says about where a joint is; a fine network then looks at a window around that point, and moves "
    "it. Hiding a joint may move the coarse maximum: what the fine network looks at then is not the joint, and "
    "nothing can bring it back. Drops are of each stage against itself without the attack."
)
_DROPS = "PCK@0.1"
_OUTSIDE = "outside window"
_PX = ("median error", "sd x")
_STAGES = ("coarse", "fine")


def has_refinement(run: Run) -> bool:
    """Whether the run's model refines coarse points."""
    return not run.refinement.empty


def window_sentence(run: Run) -> str:
    """How often the fine network looks at the wrong window without occlusion."""
    found = _by_key(_rows(run, clean=True)).get(("coarse", _OUTSIDE, "Mean"))
    if found is None:
        return ""
    return (
        f"Without occlusion {100 * found['value']:.1f} % of the joints lie outside of the window around their coarse "
        "point, where the fine network cannot find them."
    )


def accuracy_table(run: Run) -> Table:
    """Clean: a row per figure, coarse and fine, and what the refinement gains."""
    found = _by_key(_rows(run, clean=True))
    metrics = list(dict.fromkeys(metric for _, metric, _ in found if metric != _OUTSIDE))
    rows = []
    for metric in [*(m for m in metrics if m in _PX), *(m for m in metrics if m not in _PX)]:
        coarse, fine = (found[stage, metric, "Mean"] for stage in _STAGES)
        gain = Estimate(fine["gain"], fine["gain_lo"], fine["gain_hi"])
        unit = "crop px" if metric in _PX else "share, gain in points"
        rows.append(Row((f"{metric}", unit, coarse["n"], _estimate(coarse), _estimate(fine), gain)))
    columns = (
        *(Column("figure", "figure"), Column("unit", "unit"), Column("n", "n", "count")),
        *(Column(stage, stage, "plain") for stage in _STAGES),
        Column("gain", "fine minus coarse", "plain"),
    )
    caption = (
        "All joints without occlusion. Median distance from the truth; deviation of the error along x without errors "
        "above 20 px; PCK by fraction of the torso. [95 % interval over photos; of the gain paired]"
    )
    return Table("refinement_clean", caption, columns, tuple(rows))


def joint_table(run: Run) -> Table:
    """Clean PCK at .05 by group of joints, coarse and fine."""
    found = _by_key([r for r in _rows(run, clean=True) if r["metric"] == "PCK@0.05"])
    groups = list(dict.fromkeys(group for _, _, group in found))
    rows = []
    for group in groups:
        coarse, fine = (found[stage, "PCK@0.05", group] for stage in _STAGES)
        gain = Estimate(fine["gain"], fine["gain_lo"], fine["gain_hi"])
        rows.append(Row((group, coarse["n"], _estimate(coarse), _estimate(fine), gain)))
    columns = (
        *(Column("group", "joints"), Column("n", "n", "count")),
        *(Column(stage, stage, "ap") for stage in _STAGES),
        Column("gain", "fine minus coarse", "points"),
    )
    return Table("refinement_joints", "PCK@0.05 by joint without occlusion [95 % interval].", columns, tuple(rows))


def attacked_table(run: Run) -> Table:
    """Under every attack: drops of both stages, median errors, and how often the window misses its joint."""
    found: dict[str, dict[tuple[str, str, str], Record]] = {}
    for r in _rows(run, clean=False):
        found.setdefault(attack_name(r), {})[r["stage"], r["metric"], r["group"]] = r
    columns = (
        Column("attack", "attack"),
        *(Column(f"drop_{stage}", stage, "points", group=f"drop of {_DROPS}") for stage in _STAGES),
        *(Column(f"median_{stage}", stage, "plain", group="median error, crop px") for stage in _STAGES),
        *(
            Column(f"outside_{group.replace(' ', '_')}", group, "ap", group="joints outside of their window")
            for group in ("hidden", "not hidden")
        ),
    )
    rows = []
    for name, own in found.items():
        drops = [_drop(own.get((stage, _DROPS, "Mean"))) for stage in _STAGES]
        medians = [_estimate(own.get((stage, _PX[0], "Mean"))) for stage in _STAGES]
        outside = [_estimate(own.get(("coarse", _OUTSIDE, group))) for group in ("hidden", "not hidden")]
        values: tuple[Value, ...] = (name, *drops, *medians, *outside)
        rows.append(Row(values))
    caption = (
        f"By attack: drop of {_DROPS} of all joints, points; median error; and the share of joints that lie outside of "
        "the window around their coarse point, of the hidden ones and of the others. [95 % interval over photos]"
    )
    return Table("refinement_attacked", caption, columns, tuple(rows), tinted=True)


def _rows(run: Run, clean: bool) -> list[Record]:
    return records(run.refinement[(run.refinement["level"] == "clean") == clean])


def _by_key(rows: list[Record]) -> dict[tuple[str, str, str], Record]:
    return {(r["stage"], r["metric"], r["group"]): r for r in rows}


def _estimate(row: Record | None) -> Estimate:
    return NO_ESTIMATE if row is None else Estimate(row["value"], row["value_lo"], row["value_hi"])


def _drop(row: Record | None) -> Drop:
    return NO_DROP if row is None else Drop(row["drop"], row["drop_lo"], row["drop_hi"], row["p"])
