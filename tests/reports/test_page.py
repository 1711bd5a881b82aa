"""The page and its files, read back: what is in them, that numbers survive, that bytes repeat."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from occbench.reports import build_report
from occbench.reports.page import answer
from occbench.reports.reading.manifest import Finding

from .fake_run import FULL, FULL_CELLS, KEYPOINTS, Cell, default_cells, plain_loss, write_fake_run
from .reading import Page

FIGURES = [
    *("overall_keypoint", "overall_part", "matrix_blackout", "matrix_blur", "affected_keypoint", "affected_part"),
    *("body_keypoint", "body_part", "dose_mean_keypoint", "dose_keypoint", "placements", "controls_keypoint"),
    *("confidence_keypoint", "confidence_part"),
]
TABLES = [
    *("overall_keypoint", "overall_part", "matrix_keypoint_blackout", "matrix_part_blur", "affected_keypoint"),
    *("dose_mean_keypoint", "dose_keypoint", "controls_keypoint", "confidence_part", "clean", "cells"),
]


def rows_of(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "cells.csv")


def test_every_figure_and_table_is_also_a_file(full_run: Path, full_page: Page) -> None:
    for stem in FIGURES:
        for ending in ("svg", "png"):
            assert (full_run / "plots" / f"{stem}.{ending}").stat().st_size > 1000
    for stem in TABLES:
        for ending in ("csv", "md", "tex"):
            assert (full_run / "tables" / f"{stem}.{ending}").stat().st_size > 100
    named = set(re.findall(r'<code class="files">(plots|tables)/([^.<]*)\.', full_page.html))
    for folder in ("plots", "tables"):
        there = {f.stem for f in (full_run / folder).iterdir() if not f.name.startswith("example_")}
        assert {stem for f, stem in named if f == folder} == there
    assert not [f for f in full_run.rglob("*") if f.name.startswith(".")]  # no temporary file is left


def test_numbers_in_the_page_are_those_of_cells_csv(full_run: Path, full_page: Page) -> None:
    cells = rows_of(full_run)
    whole = cells[(cells["keypoint"] == "all") & (cells["level"] != "clean")]
    assert len(whole) == len(FULL_CELLS) == len(full_page.tables["cells"].rows)
    for _, row in whole.iterrows():
        keys = {name: str(row[name]) for name in ("level", "target", "fill", "placement")}
        shown = full_page.tables["cells"].row(**keys, radius=f"{row['radius']:g}")
        assert (shown["AP"].value, shown["drop"].value) == (row["ap"], pytest.approx(row["drop"], rel=1e-9))
        assert shown["drop"].number == pytest.approx(row["drop"], abs=5e-3)
        assert shown["drop"].text.split(" ", 1)[1] == f"[{row['drop_lo']:.1f}, {row['drop_hi']:.1f}]".replace("-", "−")
        if row["radius"] == 6 and row["placement"] == "centred":
            overall = full_page.tables[f"overall_{row['level']}"].row(target=row["target"])
            assert overall[row["fill"]].value == pytest.approx(row["drop"], rel=1e-9)
    clean = cells[(cells["level"] == "clean") & (cells["keypoint"] == "all")].iloc[0]
    names = {"AP": "ap", "AP50": "ap50", "AP75": "ap75", "AP(M)": "ap_m", "AP(L)": "ap_l"}
    names |= {"AR": "ar", "AR50": "ar50", "AR75": "ar75", "AR(M)": "ar_m", "AR(L)": "ar_l"}
    table = full_page.tables["clean"]
    (_, measured), (_, published) = table.rows
    assert table.heads[1:] == list(names)
    assert [cell.value for cell in measured[1:]] == [clean[name] for name in names.values()]
    assert "on other data or boxes" in published[0].text
    assert [published[i].number for i in (1, 2, 6)] == [0.749, 0.9, 0.8]
    assert published[3].text == "–"


def test_every_cell_of_the_matrix_is_in_cells_csv(full_run: Path, full_page: Page) -> None:
    cells = rows_of(full_run)
    main = cells[(cells["radius"] == 6) & (cells["placement"] == "centred")]
    drops = main.set_index(["level", "fill", "target", "keypoint"])["drop"]
    compared = 0
    for name, table in full_page.tables.items():
        if not name.startswith("matrix_"):
            continue
        _, level, fill = name.split("_")
        assert table.heads[1:] == ["all keypoints", *KEYPOINTS]
        for attributes, shown in table.rows:
            for keypoint, cell in zip(["all", *KEYPOINTS], shown[1:], strict=True):
                assert cell.value == pytest.approx(drops[level, fill, attributes["data-target"], keypoint], rel=1e-9)
                compared += 1
    assert compared == 2 * 4 * 8


def test_own_loss_and_worst_collateral(full_page: Page) -> None:
    keys = {"radius": "6", "placement": "centred", "fill": "blackout"}
    nose: Cell = ("keypoint", "blackout", "nose", 6.0, "centred")
    shown = full_page.tables["cells"].row(target="nose", **keys)
    assert shown["own loss"].value == pytest.approx(plain_loss(nose, "nose"))
    assert shown["of"].text == "right_ankle"
    assert shown["worst collateral"].value == pytest.approx(plain_loss(nose, "right_ankle"))
    hip: Cell = ("part", "blackout", "hip", 6.0, "centred")
    shown = full_page.tables["cells"].row(target="hip", **keys)
    assert shown["own loss"].value == pytest.approx((plain_loss(hip, "left_hip") + plain_loss(hip, "right_hip")) / 2)


def test_the_same_run_gives_the_same_bytes(full_run: Path, tmp_path: Path) -> None:
    """Also when it lies elsewhere, was made on another day and machine, and had another report in it."""
    other = {"created": "2031-01-01T00:00:00+00:00", "host": "another", "wall_seconds": 99.0}
    again = write_fake_run(tmp_path / "elsewhere" / "run", FULL_CELLS, changes=other, **FULL)
    (again / "plots").mkdir()
    (again / "plots" / "old.svg").write_text("")
    build_report([again])
    for folder in ("plots", "tables"):
        assert {f.name for f in (again / folder).iterdir()} == {f.name for f in (full_run / folder).iterdir()}
    for file in (again / "report.html", *(again / "plots").iterdir(), *(again / "tables").iterdir()):
        assert file.read_bytes() == (full_run / file.relative_to(again)).read_bytes(), file.name


def test_nothing_of_the_machine_is_in_the_page(tmp_path: Path) -> None:
    changes = {
        "command": [
            "occbench",
            "attack",
            "--data",
            "/home/zoe/secret/dev.json",
            "--images=/home/zoe/pics",
            "--boxes",
            "detector:/home/zoe/nets/rtmdet.py",
            "--out",
            "/home/zoe/runs/x",
            "--overwrite",
            "C:\\x\\y.pth",
        ],
        "model.checkpoint": "/home/zoe/tiny.pth",
        "boxes": {"source": "detections", "file": "/home/zoe/boxes.json", "n": 40, "matched": 28, "missed": 2},
    }
    page = Page(build_report([write_fake_run(tmp_path, default_cells()[:1], changes=changes)]))
    for secret in ("zoe", "secret", "somewhere", "2024-05-01", "12.3 s", str(tmp_path), "C:"):
        assert secret not in page.text
    assert "occbench attack --data dev.json --images=pics --boxes detector:rtmdet.py y.pth" in page.text
    assert "detections (boxes.json): 28 matched, 2 persons missed" in page.text


def test_the_page_loads_nothing_and_its_ids_are_unique(full_page: Page) -> None:
    assert full_page.loads
    assert [a for a in full_page.loads if not a.startswith(("#", "data:"))] == []
    anchors = [a[1:] for a in full_page.loads if a.startswith("#")]
    assert set(anchors) <= set(full_page.ids)
    assert len(full_page.ids) == len(set(full_page.ids))
    assert set(re.findall(r"url\(#([^)]*)\)", full_page.html)) <= set(full_page.ids)
    assert "@import" not in full_page.html
    assert full_page.tags.count("script") == 1
    assert "default-src 'none'" in full_page.html


def test_every_figure_says_what_it_shows(full_page: Page) -> None:
    assert len(full_page.labels) == len(FIGURES)
    assert all(len(label) > 30 for label in full_page.labels)
    assert full_page.labels[0].endswith("Largest: L hip under blackout, 1.9.")
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}"', full_page.html)) == full_page.tags.count("img") == 4 * 3 * 2


def test_header_says_what_was_measured(full_page: Page) -> None:
    for said in (
        "tiny, input 48 × 64 px",
        "sha256 0123456789ab",
        "dev: 30 persons in 26 images",
        "ground truth",
        "occbench 0.1.0 with torch 2.13.0, fp32",
        "paired bootstrap over images, 1000 draws",
        "occbench attack --model tiny --kind all",
        "95 % interval 0.7106 to 0.8106",
    ):
        assert said in full_page.text
    assert "The people in these pictures are synthetic" not in full_page.text


def test_synthetic_people_are_announced(plain_page: Page) -> None:
    assert "The people in these pictures are synthetic" in plain_page.text


def test_what_cannot_be_told_from_zero_is_marked(full_run: Path, full_page: Page) -> None:
    """A drop of many: its interval excludes zero, and yet it is one of those that chance lets do so."""
    shown = full_page.tables["overall_keypoint"].row(target="nose")
    assert "indistinct" in shown["blur"].classes  # -0.68 +- 1
    assert "loss" in shown["blackout"].classes  # 1.70 +- 1, p = 0.0009
    cells = full_page.tables["matrix_part_blur"].row(target="hip")
    assert "indistinct" in cells["nose"].classes
    assert "cannot be told from zero" in (full_run / "plots" / "overall_keypoint.svg").read_text()


def test_without_intervals_nothing_is_marked(plain_run: Path, plain_page: Page) -> None:
    assert not [c for t in plain_page.tables.values() for _, r in t.rows for c in r if "indistinct" in c.classes]
    assert "cannot be told from zero" not in (plain_run / "plots" / "overall_keypoint.svg").read_text()
    assert "The run has no intervals, so chance is not ruled out" in plain_page.text


def test_a_run_without_controls_says_so_and_one_with_them_does_not(full_page: Page, plain_page: Page) -> None:
    advice = "--placement centred,decoys:6,placebo"
    assert advice in plain_page.text
    assert "controls_keypoint" not in plain_page.tables
    assert advice not in full_page.text
    assert "controls_keypoint" in full_page.tables


def test_only_tables_of_one_format(full_run: Path, tmp_path: Path) -> None:
    for kind, ending in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        folder = build_report([full_run], tmp_path / kind, kind=kind)
        assert folder == tmp_path / kind / "tables"
        assert {f.suffix for f in folder.iterdir()} == {f".{ending}"}
        assert [f.name for f in (tmp_path / kind).iterdir()] == ["tables"]
        for file in folder.iterdir():
            assert file.read_bytes() == (full_run / "tables" / file.name).read_bytes()


def test_progress_is_told(full_run: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    build_report([full_run], tmp_path, lines.append, "csv")
    assert "tiny: Overall drop" in lines


def test_the_first_screen_says_what_figures_are_to_be_read_in_the_light_of(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding(kind="area-0", severity="warning", line="areas"),
        Finding(kind="nobody", severity="note", line="nobody"),
        Finding(kind="encoding", severity="note", line="encoding"),
    ]
    run = SimpleNamespace(manifest=SimpleNamespace(data=SimpleNamespace(findings=findings)))
    monkeypatch.setattr(answer, "clean_row", lambda run: {"value": 0.01, "n": 7.0})
    areas, nobody, low = answer._found(run)  # type: ignore[arg-type]
    assert (areas, nobody) == ("areas", "nobody")
    assert "the clean value over 7 persons is 0.0100" in low
    findings.append(Finding(kind="ap-near-0", severity="warning", line=low))
    assert answer._found(run) == ["areas", "nobody", low], "once"  # type: ignore[arg-type]
