"""Natural beside synthetic occlusion in the report: the table, the sentences, and boxes with their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from occbench.reports import build_report, load_run
from occbench.reports.findings.compare import boxes_label
from occbench.reports.page.answer import run_facts
from occbench.reports.tables.natural import correlation_sentences, natural_table
from occbench.system.errors import OccbenchError

from .fake_run import KEYPOINTS, write_fake_run

pytestmark = pytest.mark.usefixtures("without_figures")


def natural(**last: float | str) -> pd.DataFrame:
    """Two fills; the nose is never occluded, so it has no natural loss."""
    rows: list[dict[str, Any]] = []
    for fill, synthetic in (("blackout", 8.0), ("blur", 2.0)):
        for i, name in enumerate(KEYPOINTS):
            row: dict[str, Any] = {"fill": fill, "radius": 6, "keypoint": name, "metric": "AP", "n_visible": 90 + i}
            row |= {"n_occluded": 10 * i, "visible": 0.8, "occluded": 0.5, "synthetic": synthetic + i}
            row |= {"synthetic_lo": synthetic - 1, "synthetic_hi": synthetic + 9}
            row |= {"natural": 30.0, "natural_lo": 21.0, "natural_hi": 39.0} if i else {"occluded": None}
            rows.append(row)
        rows.append({"fill": fill, "radius": 6, "keypoint": "all", "metric": "AP", **last})
    return pd.DataFrame(rows)


SURE = {"n_keypoints": 6, "rho": 0.61, "rho_p": 0.021}


def made(folder: Path, table: pd.DataFrame) -> Path:
    run = write_fake_run(folder)
    table.to_csv(run / "natural.csv", index=False)
    return run


def test_the_table_and_what_it_says_of_itself(tmp_path: Path) -> None:
    run = made(tmp_path, natural(**SURE))
    table = natural_table(load_run(run))
    assert [column.head for column in table.columns] == [
        *("keypoint", "n visible", "n occluded", "AP visible", "AP occluded", "natural loss", "standardised"),
        *("blackout", "blur"),
    ]
    assert [row.values[0] for row in table.rows] == KEYPOINTS
    build_report([run])
    page = (run / "report.html").read_text()
    assert "Natural beside synthetic occlusion" in page
    assert "So only the ranks of relative losses are compared" in page
    written = pd.read_csv(run / "tables" / "natural.csv")
    assert written["natural"].isna().tolist() == [True] + [False] * 6
    assert written["synthetic_blur"].iloc[1] == 3
    assert (run / "tables" / "natural.tex").is_file()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (SURE, "Blackout: the relative losses have Spearman's ρ = 0.61 over 6 kinds of keypoints, p = 0.021 by"),
        ({**SURE, "rho_lo": 0.1, "rho_hi": 0.9}, "ρ = 0.61 [0.10, 0.90] over 6 kinds"),
        ({**SURE, "rho_p": 0.0004}, "p < 0.001 by permutations."),
        ({**SURE, "rho_p": 0.2}, "p = 0.200 by permutations: it cannot be told from none."),
        ({"n_keypoints": 2}, "Blackout: 2 kinds of keypoints have both losses, too few for a rank correlation."),
    ],
)
def test_the_correlation_in_words(tmp_path: Path, last: dict[str, float], said: str) -> None:
    columns = {"rho": None, "rho_p": None, "n_keypoints": None}
    run = made(tmp_path, natural(**{**columns, **last}))
    sentences = correlation_sentences(load_run(run))
    assert len(sentences) == 2
    assert said in sentences[0]


def test_a_correlation_of_an_older_rule_is_not_said(tmp_path: Path) -> None:
    run = made(tmp_path, natural(**SURE).drop(columns="rho_p"))
    assert correlation_sentences(load_run(run)) == []


def test_a_run_without_flags_has_no_such_section(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    build_report([run])
    assert "Natural beside synthetic" not in (run / "report.html").read_text()


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    run = made(tmp_path, natural(**SURE).drop(columns="rho"))
    with pytest.raises(OccbenchError, match=r"natural\.csv cannot be read"):
        load_run(run)


def test_boxes_of_a_detector(tmp_path: Path) -> None:
    boxes = {"source": "detector", "file": "/cache/rtmdet-0123.json", "n": 9, "matched": 6, "missed": 1, "unmatched": 3}
    boxes |= {"detector": {"name": "rtmdet", "min_score": 0.05}, "figures": {"ap": 0.5512, "ap50": 0.8}}
    run = load_run(write_fake_run(tmp_path, changes={f"boxes.{name}": value for name, value in boxes.items()}))
    assert dict(run_facts(run))["Boxes"] == (
        "detector rtmdet from a score of 0.05: 6 matched, 3 unmatched, left clean, 1 persons missed; "
        "box AP 0.5512, AP50 0.8000"
    )
    assert boxes_label(run) == "rtmdet from 0.05"
    changes = {"scope": "image"} | {f"boxes.{name}": value for name, value in boxes.items()}
    run = load_run(write_fake_run(tmp_path / "image", changes=changes))
    assert "3 unmatched, 1 persons missed" in dict(run_facts(run))["Boxes"]  # these see the attacked photo
