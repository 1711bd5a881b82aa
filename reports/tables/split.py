"""What the attacked photos cost through the boxes and through the pose (PROTOCOL section 7)."""

from __future__ import annotations

import math

from ..reading.drops import Drop, Record, records
from ..reading.load import Run
from ..reading.names import listed, number
from .table import Column, Row, Table

READING = (
    "The detector has seen the attacked photos. Pose: the attacked photo in the clean photo's boxes. Boxes: the clean "
    "photo in the boxes found in the attacked one. Both: the attacked photo in those boxes. The interaction is what is "
    "left of both when the other two are taken away. Below zero, what the one has lost the other cannot lose again, "
    "which must be so where either alone takes almost everything. The shares divide what both cost: each the mean of "
    "being lost first and being lost second."
)

_TERMS = (("drop_pose", "pose"), ("drop_boxes", "boxes"), ("drop_both", "both"), ("interaction", "interaction"))
_SHARES = (("share_pose", "pose"), ("share_boxes", "boxes"))


def has_split(run: Run) -> bool:
    """Whether the detector saw the attacked photos of the run."""
    return not run.split.empty


def split_sentence(run: Run) -> str:
    """In how many attacks which term can be told from zero."""
    rows = _overall(run)
    said = [
        f"{name} in {sum(_term(row, column).clear for row in rows)}"
        for column, name in _TERMS
        if any(_term(row, column).has_interval for row in rows)
    ]
    if not said:
        return "The run has no intervals, so nothing can be said about chance."
    if run.split["drop_pose_p_adjusted"].isna().all():
        return f"Of {len(rows)} attacks the interval and p exclude zero for {listed(said)} (p not corrected)."
    return f"Of {len(rows)} attacks the interval and p, corrected (Holm), exclude zero for {listed(said)}."


def split_table(run: Run) -> Table:
    """The three-way split over all keypoints, a row per attack, with the boxes' counts."""
    columns = [
        Column("attack", "attack"),
        *(Column(column, name, "points", group="loss by") for column, name in _TERMS),
        *(Column(column, name, "points", group="share of") for column, name in _SHARES),
        *(
            Column(f"{count}_{when}", name, "count", group=f"boxes, {when} photo")
            for when in ("clean", "attacked")
            for count, name in (("matched", "matched"), ("missed", "missed"), ("unmatched", "false"))
        ),
    ]
    rows = [
        Row(
            (
                _name(row),
                *(_term(row, column) for column, _ in (*_TERMS, *_SHARES)),
                *(row[column.key] for column in columns[1 + len(_TERMS) + len(_SHARES) :]),
            ),
            {"target": str(row["target"])},
        )
        for row in _overall(run)
    ]
    caption = (
        f"Drop of {run.metric} over all keypoints, points [95 % interval, paired by photo]; matched and missed: "
        "labelled persons for whom a box stands, and for whom none does; false: boxes that stand for nobody."
    )
    return Table("split", caption, tuple(columns), tuple(rows), tinted=True)


def _overall(run: Run) -> list[Record]:
    return records(run.split[run.split["keypoint"] == "all"])


def _name(row: Record) -> str:
    placement = "" if row["placement"] == "centred" else f", {row['placement']}"
    return f"{row['level']} {row['target']}, {row['fill']}, r = {number(row['radius'], 1)}{placement}"


def _term(row: Record, column: str) -> Drop:
    adjusted = row[f"{column}_p_adjusted"]  # a run of before there was one has its p
    p = row[f"{column}_p"] if math.isnan(adjusted) else adjusted
    return Drop(row[column], row[f"{column}_lo"], row[f"{column}_hi"], p)
