"""What each stage of a cascade has right, and what it loses under every attack."""

from __future__ import annotations

from ..findings.controls import Estimate
from ..reading.drops import Drop, Record, records
from ..reading.load import Run
from ..reading.names import number
from .table import Column, Row, Table

READING = (
    "A cascade looks again at a square around every joint that the stage before found. Attacks are painted on the "
    "canvas, which all stages read, r in px of the first stage's input; in a later stage's square the occluder is "
    "magnified with the rest, and may be all that it holds. Drops are of each stage against itself without the attack."
)
_STRICT, _LOOSE, _COLLAPSED = "PCP@0.5", "PCP@0.5 loose", "collapsed"
_DROPS = "PDJ@0.2"


def has_stages(run: Run) -> bool:
    """Whether the run's model is a cascade."""
    return not run.stages.empty


def collapsed_sentence(run: Run) -> str:
    """How many clean poses were too small for the next stage's boxes."""
    rows = [r for r in _rows(run, "clean") if r["metric"] == _COLLAPSED]
    said = ", ".join(f"{r['value'] * r['n']:.0f} of {r['n']:.0f} after stage {r['stage']:.0f}" for r in rows)
    return (
        f"Poses whose shoulder and opposite hip all but coincide, so that the next boxes have their least size: {said}."
    )


def curve_table(run: Run) -> Table:
    """PDJ of all joints by fraction of the torso, clean: a row per fraction, a column per stage, then the gains."""
    return _by_stage(
        run,
        "stages_pdj",
        "fraction",
        [(metric.partition("@")[2], metric, "Mean") for metric in _metrics(run, "PDJ@")],
        "PDJ of all joints without occlusion by fraction of the torso [95 % interval], and what later stages gain over "
        "the first, points [95 % interval, paired by photo; not corrected for their number].",
    )


def limb_table(run: Run) -> Table:
    """PCP by limb, strict and loose, clean; no rows where the data have no limbs."""
    rows = [r for r in _rows(run, "clean") if r["metric"] in (_STRICT, _LOOSE) and r["stage"] == 1]
    names = [(f"{r['group']}{', loose' if r['metric'] == _LOOSE else ''}", r["metric"], r["group"]) for r in rows]
    caption = (
        "PCP@0.5 by limb without occlusion: strict, both ends within half of the limb; loose, the mean of the two is. "
        "Mean: of upper and lower arms and legs. [95 % interval]"
    )
    return _by_stage(run, "stages_pcp", "limb", names, caption)


def stage_drops_table(run: Run) -> Table:
    """The drop of PDJ@0.2 of all joints by attack and stage."""
    stages = _stages(run)
    found: dict[str, dict[float, Record]] = {}
    for r in records(run.stages[run.stages["level"] != "clean"]):
        if r["metric"] == _DROPS and r["group"] == "Mean":
            found.setdefault(attack_name(r), {})[r["stage"]] = r
    columns = [Column("attack", "attack"), *(Column(f"stage_{s:g}", f"stage {s:g}", "points") for s in stages)]
    rows = [Row((name, *(_drop(by_stage[s]) for s in stages))) for name, by_stage in found.items()]
    caption = f"Drop of {_DROPS} of all joints by stage, points [95 % interval, paired by photo]."
    return Table("stages_drops", caption, tuple(columns), tuple(rows), tinted=True)


def _by_stage(run: Run, name: str, head: str, wanted: list[tuple[str, str, str]], caption: str) -> Table:
    found = {(r["metric"], r["group"], r["stage"]): r for r in _rows(run, "clean")}
    stages = _stages(run)
    columns = [
        Column(head, head),
        Column("n", "n", "count"),
        *(Column(f"stage_{s:g}", f"stage {s:g}", "ap") for s in stages),
        *(Column(f"gain_{s:g}", f"stage {s:g}", "points", group="gain over stage 1") for s in stages[1:]),
    ]
    rows = []
    for title, metric, group in wanted:
        own = [found[metric, group, s] for s in stages]
        values = [Estimate(r["value"], r["value_lo"], r["value_hi"]) for r in own]
        gains = [Estimate(r["gain"], r["gain_lo"], r["gain_hi"]) for r in own[1:]]
        rows.append(Row((title, own[0]["n"], *values, *gains)))
    return Table(name, caption, tuple(columns), tuple(rows))


def _rows(run: Run, level: str) -> list[Record]:
    return records(run.stages[run.stages["level"] == level])


def _stages(run: Run) -> list[float]:
    clean = run.stages[(run.stages["level"] == "clean") & (run.stages["metric"] == _DROPS)]
    return sorted(set(clean["stage"].tolist()))


def _metrics(run: Run, start: str) -> list[str]:
    return list(dict.fromkeys(r["metric"] for r in _rows(run, "clean") if r["metric"].startswith(start)))


def attack_name(row: Record) -> str:
    """What is hidden, with what, and how large."""
    placement = "" if row["placement"] == "centred" else f", {row['placement']}"
    return f"{row['level']} {row['target']}, {row['fill']}, r = {number(row['radius'], 1)}{placement}"


def _drop(row: Record) -> Drop:
    return Drop(row["drop"], row["drop_lo"], row["drop_hi"], row["p"])
