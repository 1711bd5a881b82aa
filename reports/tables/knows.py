"""How well a model's confidence tells hidden joints from visible ones: a table, and what it says."""

from __future__ import annotations

from ..findings.controls import Estimate
from ..reading.drops import Record, records
from ..reading.load import Run
from ..reading.names import number, order_fills
from .table import Column, Row, Table

_KINDS = {"occluded": "occluded in the photo", "absent": "absent (not labelled)"}


def knows_sentences(run: Run) -> list[str]:
    """Under which fills the model's confidence in hidden joints falls, and under which it does not."""
    said = []
    for level in dict.fromkeys(row["level"] for row in _hidden(run)):
        rows = [row for row in _hidden(run) if row["level"] == level and row["placement"] == "centred"]
        knows = [f"{row['fill']} {_area(row)}" for row in rows if row["auroc_clean_lo"] > 0.5]
        not_ = [f"{row['fill']} {_area(row)}" for row in rows if row["auroc_clean_hi"] < 0.5]
        if knows:
            said.append(
                f"Hidden {level}: a joint has less confidence than without the attack (area under the ROC curve, .5 is "
                f"no better than a coin) under {', '.join(knows)}."
            )
        if not_:
            said.append(f"Hidden {level}: a joint has more confidence than without the attack under {', '.join(not_)}.")
    return said


def _area(row: Record) -> str:
    ends = f"{number(row['auroc_clean_lo'], 2)}, {number(row['auroc_clean_hi'], 2)}"
    return f"{number(row['auroc_clean'], 2)} [{ends}]"


def _hidden(run: Run) -> list[Record]:
    rows = records(run.knows[run.knows["kind"] == "hidden"])
    order = {fill: place for place, fill in enumerate(order_fills({str(row["fill"]) for row in rows}))}
    return sorted(rows, key=lambda row: (row["level"], row["placement"], row["radius"], order[str(row["fill"])]))


def knows_table(run: Run) -> Table:
    """The joints that the photo hides, then those that were hidden, by level and fill."""
    columns = (
        Column("kind", "joints"),
        Column("fill", "fill"),
        Column("radius", "r, px", "px"),
        Column("placement", "placement"),
        Column("n", "n", "count"),
        Column("score", "confidence", "plain"),
        Column("score_visible", "of the others", "plain"),
        Column("auroc", "told from the others", "plain"),
        Column("auroc_clean", "told from themselves without the attack", "plain"),
    )
    natural = records(run.knows[run.knows["kind"] != "hidden"])
    rows = [
        Row(
            (
                _KINDS.get(str(r["kind"]), f"hidden, {r['level']}"),
                *(str(r["fill"]), float(r["radius"]), str(r["placement"]), float(r["n"])),
                *(float(r["score"]), float(r["score_visible"])),
                *(Estimate(r[n], r[f"{n}_lo"], r[f"{n}_hi"]) for n in ("auroc", "auroc_clean")),
            ),
            {"fill": str(r["fill"])},
        )
        for r in (*natural, *_hidden(run))
    ]
    caption = (
        "Area under the ROC curve of the keypoint scores [95 % interval, over photos]: the chance that a joint of the "
        "others has the higher score; .5 is no better than a coin, 1 tells all. Others: visible joints of the same "
        "persons; kinds of joints differ in their scores, so hidden ones are told from themselves, too."
    )
    return Table("knows", caption, columns, tuple(rows))
