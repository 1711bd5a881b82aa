"""The loss by boxes and pose in the report: the table, the sentence, and a run without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from occbench.reports import build_report, load_run
from occbench.reports.page.answer import run_facts
from occbench.reports.reading.drops import Drop
from occbench.reports.tables.split import has_split, split_sentence, split_table
from occbench.system.errors import OccbenchError

from .fake_run import write_fake_run

pytestmark = pytest.mark.usefixtures("without_figures")

TERMS = {"drop_pose": (5.0, 3.0, 7.0), "drop_boxes": (2.0, -1.0, 5.0), "drop_both": (6.0, 4.0, 8.0)}


def split(intervals: bool = True) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for target, placement in (("nose", "centred"), ("head", "placebo")):
        for keypoint in ("all", "nose"):
            row: dict[str, Any] = {"level": "part" if target == "head" else "keypoint", "fill": "blur"}
            row |= {"target": target, "radius": 6, "placement": placement, "keypoint": keypoint}
            for term, (value, low, high) in {**TERMS, "interaction": (-1.0, -2.5, 0.5)}.items():
                row |= {
                    term: value,
                    f"{term}_lo": low if intervals else None,
                    f"{term}_hi": high if intervals else None,
                    f"{term}_p": (0.001 if low > 0 else 0.4) if intervals else None,
                }
            for when, matched in (("clean", 90), ("attacked", 81)):
                row |= {f"matched_{when}": matched, f"missed_{when}": 100 - matched, f"unmatched_{when}": 7}
            rows.append(row)
    return pd.DataFrame(rows)


def made(folder: Path, table: pd.DataFrame) -> Path:
    run = write_fake_run(folder)
    table.to_csv(run / "split.csv", index=False)
    return run


def test_the_table_has_a_row_per_attack_with_counts(tmp_path: Path) -> None:
    run = made(tmp_path, split())
    table = split_table(load_run(run))
    assert [row.values[0] for row in table.rows] == [
        "keypoint nose, blur, r = 6.0",
        "part head, blur, r = 6.0, placebo",
    ]
    assert table.rows[0].values[1:5] == (
        *(Drop(5, 3, 7, 0.001), Drop(2, -1, 5, 0.4), Drop(6, 4, 8, 0.001), Drop(-1, -2.5, 0.5, 0.4)),
    )
    assert [column.head for column in table.columns[5:7]] == ["pose", "boxes"]  # the shares
    assert table.rows[0].values[7:] == (90, 10, 7, 81, 19, 7)
    build_report([run])
    page = (run / "report.html").read_text()
    assert "What the boxes lose, and what the pose" in page
    assert "interval and p exclude zero for pose in 2, boxes in 0, both in 2 and interaction in 0" in page
    written = pd.read_csv(run / "tables" / "split.csv")
    assert written["drop_pose"].tolist() == [5, 5]
    assert (run / "tables" / "split.tex").is_file()


def test_a_corrected_p_decides(tmp_path: Path) -> None:
    table = split()
    adjusted = {f"{term}_p_adjusted": table[f"{term}_p"] for term in (*TERMS, "interaction")}
    adjusted["drop_pose_p_adjusted"] = table["drop_pose_p"].where(table["target"] == "nose", 0.06)
    said = split_sentence(load_run(made(tmp_path, table.assign(**adjusted))))
    assert "interval and p, corrected (Holm), exclude zero for pose in 1, boxes in 0, both in 2" in said


def test_without_intervals_nothing_is_said_about_chance(tmp_path: Path) -> None:
    run = load_run(made(tmp_path, split(intervals=False)))
    assert split_sentence(run).startswith("The run has no intervals")


def test_a_run_without_a_split_says_nothing_of_it(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    assert not has_split(load_run(run))
    build_report([run])
    assert "What the boxes lose" not in (run / "report.html").read_text()
    assert dict(run_facts(load_run(run)))["Scope"] == "the person in the crop"


def test_a_damaged_split_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path, split().drop(columns="missed_clean"))
    with pytest.raises(OccbenchError, match=r"split\.csv cannot be read"):
        load_run(run)
