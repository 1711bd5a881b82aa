"""How well a model's confidence tells hidden joints from visible ones: a table, and what it says."""

from __future__ import annotations

from ..findings.controls import Estimate
from ..reading.drops import Record, records
from ..reading.load import Run
from ..reading.names import number, order_fills
from .table import Column, Row, Table

_LEARNT = (
    " MMPose's data sets call annotated joints visible, those that are annotated as occluded too: that is what a "
    "visibility output has learnt."
)
_KINDS = {"occluded": "occluded in the photo", "absent": "absent (not labelled)"}


def knows_sentences(run: Run) -> list[str]:
    """Under which fills the model's confidence in hidden joints falls, and under which it does not."""
    said = []
    for level in dict.fromkeys(row["level"] for row in _hidden(run)):
        rows = [row for row in _hidden(run) if row["level"] == level and row["placement"] == "centred"]
        for figure, what in _FIGURES.items() if _has_visibility(run) else [("auroc_clean", "confidence")]:
            knows = [f"{row['fill']} {_area(row, figure)}" for row in rows if row[f"{figure}_lo"] > 0.5]
            not_ = [f"{row['fill']} {_area(row, figure)}" for row in rows if row[f"{figure}_hi"] < 0.5]
            if knows:
                said.append(
                    f"Hidden {level}: a joint has less {what} than without the attack (area under the ROC curve, .5 "
                    f"is no better than a coin) under {', '.join(knows)}."
                )
            if not_:
                said.append(f"Hidden {level}: a joint has more {what} than without the attack under {', '.join(not_)}.")
    return said


_FIGURES = {"auroc_clean": "confidence", "auroc_clean_visibility": "visibility, as the model itself predicts it,"}


def _has_visibility(run: Run) -> bool:
    """Whether the model predicts visibility besides its scores."""
    return run.manifest.model.visibility == "beside"


def _area(row: Record, figure: str) -> str:
    ends = f"{number(row[f'{figure}_lo'], 2)}, {number(row[f'{figure}_hi'], 2)}"
    return f"{number(row[figure], 2)} [{ends}]"


def _hidden(run: Run) -> list[Record]:
    rows = records(run.knows[run.knows["kind"] == "hidden"])
    order = {fill: place for place, fill in enumerate(order_fills({str(row["fill"]) for row in rows}))}
    return sorted(rows, key=lambda row: (row["level"], row["placement"], row["radius"], order[str(row["fill"])]))


def knows_table(run: Run) -> Table:
    """The joints that the photo hides, then those that were hidden, by level and fill."""
    columns: tuple[Column, ...] = (
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
    figures = ["auroc", "auroc_clean"]
    if _has_visibility(run):
        columns += (
            Column("auroc_visibility", "by its visibility, from the others", "plain"),
            Column("auroc_clean_visibility", "by its visibility, from themselves", "plain"),
        )
        figures += ["auroc_visibility", "auroc_clean_visibility"]
    natural = records(run.knows[run.knows["kind"] != "hidden"])
    rows = [
        Row(
            (
                _KINDS.get(str(r["kind"]), f"hidden, {r['level']}"),
                *(str(r["fill"]), float(r["radius"]), str(r["placement"]), float(r["n"])),
                *(float(r["score"]), float(r["score_visible"])),
                *(Estimate(r[n], r[f"{n}_lo"], r[f"{n}_hi"]) for n in figures),
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
    if run.manifest.model.visibility:
        caption += _LEARNT if _has_visibility(run) else f" The scores are the visibility that it predicts.{_LEARNT}"
    return Table("knows", caption, columns, tuple(rows))
