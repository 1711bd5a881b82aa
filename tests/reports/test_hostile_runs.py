"""Runs that are small, large, full of holes or full of markup: all render."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from occbench.reports import build_report
from occbench.system.errors import OccbenchError

from .fake_run import FULL, Cell, default_cells, plain_loss, write_fake_run
from .reading import Page

BAD = "<script>alert('$x$')</script>&\"o\" _a|b%"


def test_names_with_markup_are_only_names(tmp_path: Path) -> None:
    changes = {
        "model.name": BAD,
        "data.name": BAD,
        "command": ["occbench", BAD],
        "skeleton.parts": {BAD: ["left_hip", "right_hip"]},
    }
    cells: list[Cell] = [("part", "blackout", BAD, r, p) for r in (6.0, 9.0) for p in ("centred", "decoys:2")]
    run = write_fake_run(tmp_path, cells=cells, loss=lambda cell, keypoint: 1.0, changes=changes, intervals=True)
    page = Page(build_report([run]))
    assert page.tags.count("script") == 1  # the page's own
    assert page.tables["overall_part"].row(target=BAD)["hidden part"].text == BAD
    assert all(re.fullmatch(r"[\w.-]+", f.name) for f in (run / "plots").iterdir())
    latex = (run / "tables" / "overall_part.tex").read_text()
    assert r"\textless{}script\textgreater{}alert('\$x\$')\textless{}/script\textgreater{}\&" in latex
    assert r"\_a|b\%" in latex
    assert r"\<script\>" in (run / "tables" / "overall_part.md").read_text()
    assert pd.read_csv(run / "tables" / "overall_part.csv")["target"].tolist() == [BAD]


def test_drops_that_are_no_number(tmp_path: Path) -> None:
    def loss(cell: Cell, keypoint: str) -> float | None:
        return None if cell[2] == "nose" else plain_loss(cell, keypoint)

    page = Page(build_report([write_fake_run(tmp_path, default_cells()[:4], loss, True, False)]))
    row = page.tables["overall_keypoint"].row(target="nose")
    assert [(row[f].text, row[f].exact) for f in ("blackout", "blur")] == [("–", "")] * 2
    row = page.tables["cells"].row(target="nose", fill="blur")
    assert [row[name].text for name in ("AP", "drop", "own loss", "worst collateral", "of")] == ["–"] * 4 + [""]
    assert "nan" not in page.text.lower()


def test_nothing_measurable_at_all(tmp_path: Path) -> None:
    page = Page(
        build_report([write_fake_run(tmp_path, default_cells()[3:5], lambda cell, keypoint: None, False, False)])
    )
    assert "No keypoint's drop could be measured." in page.text
    assert "nan" not in page.text.lower()


@pytest.mark.usefixtures("without_figures")
def test_missing_cells_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, default_cells()[:4], examples=False)
    cells = pd.read_csv(run / "cells.csv")
    gone = (cells["target"] == "nose") & (cells["fill"] == "blur")
    cells[~gone].to_csv(run / "cells.csv", index=False)
    page = Page(build_report([run]))
    assert "cells.csv has no rows for, so they are not shown: keypoint-blur:nose r=6 centred." in page.text
    row = page.tables["overall_keypoint"].row(target="nose")
    assert (row["blackout"].number, row["blur"].text) == (1.9, "–")


def test_one_target_one_fill_one_person(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, default_cells()[:1], changes={"data.n_persons": 1, "data.n_images": 1})
    cells = pd.read_csv(run / "cells.csv").assign(n=1)
    cells.to_csv(run / "cells.csv", index=False)
    page = Page(build_report([run]))
    assert "n = 1 is too small to say anything: intervals need 10 persons" in page.text
    assert len(page.tables["overall_keypoint"].rows) == 1


def test_clean_only_run(tmp_path: Path) -> None:
    page = Page(build_report([write_fake_run(tmp_path, cells=[], examples=False)]))
    assert "The run has no attacked cell" in page.text
    assert "Nothing was hidden: the run has only the clean cell." in page.text
    assert "has no examples" in page.text


def test_five_hundred_targets(tmp_path: Path) -> None:
    parts = {f"part_{i:03}": ["left_hip", "right_hip"] for i in range(500)}
    cells: list[Cell] = [("part", "blackout", name, 6.0, "centred") for name in parts]
    run = write_fake_run(
        *(tmp_path, cells, lambda cell, keypoint: int(cell[2][5:]) / 100, True, False),
        changes={"skeleton.parts": parts},
    )
    page = Page(build_report([run]))
    assert len(page.tables["overall_part"].rows) == 500
    assert "Shown are the 40 of 500 parts with the largest drops; the table has all." in page.text
    assert len(pd.read_csv(run / "tables" / "matrix_part_blackout.csv")) == 500
    assert "part 499" in (run / "plots" / "overall_part.svg").read_text()
    assert "part 100" not in (run / "plots" / "overall_part.svg").read_text()
    assert (run / "report.html").stat().st_size < 15e6


@pytest.mark.usefixtures("without_figures")
def test_pictures_past_the_budget_stay_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occbench.reports.page.build.BUDGET", 100_000)
    run = write_fake_run(tmp_path, default_cells()[::4])
    page = Page(build_report([run]))
    assert 0 < page.tags.count("img") < 2 * 6
    assert "more are files in plots/, to keep the page small." in page.text
    assert len(list((run / "plots").glob("example_*.png"))) == 2


@pytest.mark.usefixtures("without_figures")
def test_old_runs_show_their_one_person_per_target(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, default_cells()[:2], changes={"schema": 1})
    file = run / "examples" / "examples.json"
    entries = [
        {k: v for k, v in e.items() if k not in ("kind", "oks_clean", "oks_attacked")}
        for e in json.loads(file.read_text())
    ]
    file.write_text(json.dumps(entries[:1]))
    page = Page(build_report([run]))
    assert page.tags.count("img") == 2
    assert "000000000785.jpg, person 12" in page.text
    assert "OKS 0" not in page.text


def test_several_runs_need_a_folder(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    with pytest.raises(OccbenchError, match="--out"):
        build_report([run, run])
    with pytest.raises(OccbenchError, match="no run given"):
        build_report([])


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="unknown format 'mdx'; did you mean md"):
        build_report([tmp_path], kind="mdx")


def test_an_out_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run")
    (tmp_path / "taken").write_text("")
    with pytest.raises(OccbenchError, match="--out"):
        build_report([run], tmp_path / "taken", kind="csv")


@pytest.mark.usefixtures("without_figures")
def test_only_a_runs_own_folder_is_tidied(full_run: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    build_report([full_run], tmp_path, kind="csv")
    assert (tmp_path / "tables" / "mine.csv").exists()
    run = write_fake_run(tmp_path / "run", default_cells()[:1], examples=False, **FULL)
    shutil.copytree(tmp_path / "tables", run / "tables")
    build_report([run])
    assert not (run / "tables" / "mine.csv").exists()
