"""Whether an attack mixes people up or loses joints, of models that group by tags (PROTOCOL section 9)."""

from __future__ import annotations

import math

from ..reading.drops import Drop, Record, records
from ..reading.load import Run
from ..reading.names import number
from .table import Column, Row, Table

READING = (
    "This model finds joints first and puts them together to persons by tags. Localisation is what the attack costs "
    "when the tags are replaced by the truth, so that every joint that was found goes to the nearest person who lacks "
    "it; grouping is the rest of the drop. Below zero, grouping costs less than without the attack: what is not found "
    "any more cannot be mixed up."
)
_TERMS = (("drop", "drop"), ("localisation", "localisation"), ("grouping", "grouping"))


def has_grouping(run: Run) -> bool:
    """Whether the run's model has tags."""
    return not run.grouping.empty


def mixed_sentence(run: Run) -> str:
    """What grouping costs without any attack, and how many attacks cost grouping anything."""
    clean = next(row for row in _overall(run) if row["level"] == "clean")
    rows = [row for row in _overall(run) if row["level"] != "clean"]
    mixed = _term(clean, "mixed")
    ends = f" [{number(mixed.low, 1)}, {number(mixed.high, 1)}]" if mixed.has_interval else ""
    said = (
        f"Without occlusion AP is {number(clean['ap'], 3)}, and {number(clean['ap_true_groups'], 3)} with the true "
        f"groups: grouping costs {number(mixed.value, 1)}{ends} points."
    )
    told = [row for row in rows if _term(row, "grouping").has_interval]
    if not told:
        return said
    counts = [sum(_term(row, term).clear for row in told) for term in ("localisation", "grouping")]
    return (
        f"{said} Of {len(told)} attacks the interval and p, corrected (Holm), exclude zero for localisation in "
        f"{counts[0]}, for grouping in {counts[1]}."
    )


def grouping_table(run: Run) -> Table:
    """AP as it is and with true groups, and the drop split in two, over all keypoints: a row per attack."""
    columns = [
        Column("attack", "attack"),
        Column("ap", "AP", "ap"),
        Column("ap_true_groups", "true groups", "ap"),
        *(Column(column, name, "points") for column, name in _TERMS),
    ]
    rows = [
        Row(
            (_name(row), row["ap"], row["ap_true_groups"], *(_term(row, column) for column, _ in _TERMS)),
            {"target": str(row["target"])},
        )
        for row in _overall(run)
        if row["level"] != "clean"
    ]
    caption = (
        "AP under the attack, as it is and with the tags replaced by the truth, and the drop over all keypoints, "
        "points [95 % interval, paired by photo]: localisation and grouping add up to it."
    )
    return Table("grouping", caption, tuple(columns), tuple(rows), tinted=True)


def _overall(run: Run) -> list[Record]:
    return records(run.grouping[run.grouping["keypoint"] == "all"])


def _name(row: Record) -> str:
    placement = "" if row["placement"] == "centred" else f", {row['placement']}"
    return f"{row['level']} {row['target']}, {row['fill']}, r = {number(row['radius'], 1)}{placement}"


def _term(row: Record, column: str) -> Drop:
    p = row[f"{column}_p_adjusted"]
    return Drop(row[column], row[f"{column}_lo"], row[f"{column}_hi"], row[f"{column}_p"] if math.isnan(p) else p)
