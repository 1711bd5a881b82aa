"""The page and its files, read back: what is in them, that numbers survive, that bytes repeat."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from occbench.errors import OccbenchError
from occbench.reports import build_report

from .fake_run import Cell, default_cells, plain_loss, write_fake_run


class Page(HTMLParser):
    """Rows of every table by its class, every id, every address that a browser would load, and the visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[tuple[dict[str, str], list[str]]]] = {}
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._table = ""
        self._cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.loads += [v for n, v in attributes.items() if n in ("src", "href", "xlink:href", "srcset", "data")]
        if tag == "table":
            self._table = attributes.get("class", "")
            self.tables.setdefault(self._table, [])
        if tag == "tr" and self._table:
            self.tables[self._table].append((attributes, []))
        if tag in ("td", "th") and self._table:
            self.tables[self._table][-1][1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._table = ""
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell and self._table:
            self.tables[self._table][-1][1][-1] += data

    def row(self, table: str, **wanted: str) -> list[str]:
        """Cells of the one row of ``table`` whose data- attributes are as ``wanted``."""
        found = [
            cells
            for attributes, cells in self.tables[table]
            if all(attributes.get(f"data-{name}") == value for name, value in wanted.items())
        ]
        assert len(found) == 1
        return found[0]


def as_number(text: str) -> float:
    first = text.split()[0]
    return math.nan if first == "–" else float(first.replace("−", "-"))


def test_plots_and_page_exist(tmp_path: Path) -> None:
    cells = [
        *default_cells(),
        ("keypoint", "blur", "nose", 9.0, "centred"),
        ("keypoint", "blur", "left_hip", 9.0, "centred"),
    ]
    run = write_fake_run(tmp_path / "run", cells=cells)
    page = build_report([run])
    assert page == run / "report.html"
    stems = ["overall_keypoint", "overall_part", "affected_keypoint", "affected_part", "radius_keypoint"]
    for stem in stems:
        for suffix in (".svg", ".png"):
            assert (run / "plots" / f"{stem}{suffix}").stat().st_size > 1000
    examples = {f.name for f in (run / "plots").glob("example_*.png")}
    assert examples == {f"example_{t}.png" for t in ("keypoint_nose", "keypoint_left_hip", "part_corpus", "part_hip")}
    assert not [f for f in run.rglob("*") if f.name.startswith(".")]  # no temporary file is left


def test_numbers_in_the_page_are_those_of_cells_csv(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    page = Page(build_report([run]))
    cells = pd.read_csv(run / "cells.csv")
    whole = cells[(cells["keypoint"] == "all") & (cells["level"] != "clean")]
    assert len(whole) == len(default_cells())
    for _, row in whole.iterrows():
        shown = page.row("cells", target=row["target"], fill=row["fill"], level=row["level"])
        assert as_number(shown[6]) == pytest.approx(row["ap"], abs=5e-5)
        assert as_number(shown[7]) == pytest.approx(row["drop"], abs=5e-3)
        column = 2 + ["blackout", "blur"].index(row["fill"])
        overall = page.row("overall", target=row["target"])
        assert as_number(overall[column]) == pytest.approx(row["drop"], abs=5e-3)
    clean = cells[(cells["level"] == "clean") & (cells["keypoint"] == "all")].iloc[0]
    figures = ["ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "ar50", "ar75", "ar_m", "ar_l"]
    header, measured, published = [cells for _, cells in page.tables["clean"]]
    assert header[1:] == ["AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)"]
    assert [as_number(v) for v in measured[1:]] == [pytest.approx(clean[f], abs=5e-5) for f in figures]
    assert "published" in published[0]
    assert [as_number(v) for v in (published[1], published[2], published[6])] == [0.749, 0.9, 0.8]
    assert published[3] == "–"


def test_own_loss_and_worst_collateral(tmp_path: Path) -> None:
    page = Page(build_report([write_fake_run(tmp_path)]))
    cell: Cell = ("keypoint", "blackout", "nose", 6.0, "centred")
    shown = page.row("cells", target="nose", fill="blackout")
    assert as_number(shown[8]) == pytest.approx(plain_loss(cell, "nose"), abs=5e-3)
    assert shown[10] == "right_ankle"
    assert as_number(shown[9]) == pytest.approx(plain_loss(cell, "right_ankle"), abs=5e-3)
    hip: Cell = ("part", "blackout", "hip", 6.0, "centred")
    shown = page.row("cells", target="hip", fill="blackout")
    own = (plain_loss(hip, "left_hip") + plain_loss(hip, "right_hip")) / 2
    assert as_number(shown[8]) == pytest.approx(own, abs=5e-3)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", intervals=True)
    build_report([run])
    first = {f.relative_to(run): f.read_bytes() for f in run.rglob("*") if f.is_file()}
    build_report([run])
    assert {f.relative_to(run): f.read_bytes() for f in run.rglob("*") if f.is_file()} == first


def test_the_page_loads_nothing_and_its_ids_are_unique(tmp_path: Path) -> None:
    page = Page(build_report([write_fake_run(tmp_path)]))
    assert page.loads
    assert [a for a in page.loads if not a.startswith(("#", "data:"))] == []
    anchors = [a[1:] for a in page.loads if a.startswith("#")]
    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    text = (tmp_path / "report.html").read_text()
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert "@import" not in text
    assert "script" not in page.tags


def test_names_with_markup_are_escaped(tmp_path: Path) -> None:
    bad = "<script>alert('$x$')</script>&\"o\""
    changes = {
        "model.name": bad,
        "data.name": bad,
        "command": ["occbench", bad],
        "skeleton.parts": {bad: ["left_hip", "right_hip"]},
    }
    cells: list[Cell] = [("part", "blackout", bad, 6.0, "centred")]
    run = write_fake_run(tmp_path, cells=cells, loss=lambda cell, keypoint: 1.0, changes=changes)
    page = Page(build_report([run]))
    assert "script" not in page.tags
    assert page.row("overall", target=bad)[0] == bad
    assert all(re.fullmatch(r"[\w.-]+", f.name) for f in (run / "plots").iterdir())


def test_no_number_is_a_dash(tmp_path: Path) -> None:
    def loss(cell: Cell, keypoint: str) -> float | None:
        return None if cell[2] in ("nose", "hip") else plain_loss(cell, keypoint)

    page = Page(build_report([write_fake_run(tmp_path, loss=loss)]))
    assert page.row("overall", target="nose")[2:] == ["–", "–"]
    shown = page.row("cells", target="nose", fill="blur")
    assert shown[6:11] == ["–", "–", "–", "–", ""]
    assert "nan" not in page.text.lower()


def test_intervals_mark_what_cannot_be_told_from_zero(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, intervals=True)
    html = build_report([run]).read_text()
    page = Page(run / "report.html")
    shown = page.row("overall", target="nose")  # intervals are +-1 around every drop
    drop = plain_loss(("keypoint", "blackout", "nose", 6.0, "centred"), "all")
    assert shown[2].split()[1:] == [f"{drop - 1:.1f}", "to", f"{drop + 1:.1f}"]
    assert "95 % interval 0.7106 to 0.8106" in page.text
    indistinct = re.findall(r'class="num (?:loss|gain) indistinct" data-value="([^"]*)"', html)
    assert indistinct
    assert all(abs(float(v)) <= 1 for v in indistinct)
    assert "interval contains zero" in (run / "plots" / "overall_keypoint.svg").read_text()


def test_without_intervals_nothing_is_marked(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    html = build_report([run]).read_text()
    assert 'indistinct"' not in html
    assert "interval contains zero" not in (run / "plots" / "overall_keypoint.svg").read_text()


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_people_are_announced(tmp_path: Path, synthetic: bool) -> None:
    page = Page(build_report([write_fake_run(tmp_path, changes={"data.synthetic": synthetic})]))
    assert ("The people in these pictures are synthetic" in page.text) is synthetic


def test_header_says_what_was_measured(tmp_path: Path) -> None:
    boxes = {"source": "detections", "file": "/a/b/boxes.json", "n": 40, "matched": 28, "missed": 2, "unmatched": 12}
    page = Page(build_report([write_fake_run(tmp_path, changes={"boxes": boxes, "seed": 7})]))
    for said in (
        "tiny, input 48 × 64 px",
        "sha256 0123456789ab",
        "dev: 30 persons in 26 images",
        "detections (boxes.json): 28 matched, 12 unmatched, left clean, 2 persons missed",
        "occbench 0.1.0, 2024-05-01T12:00:00Z, 12.3 s",
        "occbench attack --model tiny --kind all",
    ):
        assert said in page.text


def test_a_run_without_controls_says_so_and_one_with_them_does_not(tmp_path: Path) -> None:
    without = Page(build_report([write_fake_run(tmp_path / "a")]))
    assert "--placement centred,decoys:6,placebo" in without.text
    assert "controls" not in without.tables
    cells = [("keypoint", "blackout", "nose", 6.0, p) for p in ("centred", "decoys:6", "placebo")]
    assert "--placement" not in Page(build_report([write_fake_run(tmp_path / "b", cells=cells)])).text
    parts_only = [c for c in default_cells() if c[0] == "part"]
    assert "--placement" not in Page(build_report([write_fake_run(tmp_path / "c", cells=parts_only)])).text


def test_controls_table(tmp_path: Path) -> None:
    losses = {"centred": -13.0, "jittered": -11.0, "decoys:6": -1.0, "placebo": 0.5}  # the nose's own, AP points
    cells: list[Cell] = [("keypoint", "blackout", "nose", 6.0, p) for p in losses]
    run = write_fake_run(tmp_path, cells=cells, loss=lambda cell, _: losses[cell[4]])
    page = Page(build_report([run]))
    shown = [as_number(v) for v in page.row("controls", target="nose", fill="blackout")[3:]]
    # own AP clean, centred, jittered, decoys, placebo; marker effect, placebo loss, leak-corrected loss
    assert shown == [0.70, 0.83, 0.81, 0.71, 0.695, 12.0, 0.5, -4.0]
    assert "+12.00, above zero for 1 of 1" in page.text


def test_clean_only_run(tmp_path: Path) -> None:
    page = Page(build_report([write_fake_run(tmp_path, cells=[], examples=False)]))
    assert "The run has no attacked cell" in page.text
    assert "has no examples" in page.text


def test_two_runs_are_compared(tmp_path: Path) -> None:
    one = write_fake_run(tmp_path / "one")
    two = write_fake_run(
        tmp_path / "two", loss=lambda c, k: 2 * plain_loss(c, k), changes={"model.name": "other", "protocol": "thesis"}
    )
    path = build_report([one, two], tmp_path / "both")
    assert path == tmp_path / "both" / "report.html"
    page = Page(path)
    rows = {cells[0]: cells for _, cells in page.tables["compare"][1:]}
    assert set(rows) == {"tiny", "other"}
    nose, hip = (plain_loss(("keypoint", "blackout", t, 6.0, "centred"), "all") for t in ("nose", "left_hip"))
    assert as_number(rows["tiny"][6]) == pytest.approx((nose + hip) / 2, abs=5e-3)
    assert as_number(rows["other"][6]) == pytest.approx(nose + hip, abs=1e-2)
    assert "also differ in: protocol" in page.text
    assert len(page.ids) == len(set(page.ids))
    for name in ("compare_keypoint.svg", "compare_part.png", "r1_overall_keypoint.svg", "r2_overall_keypoint.svg"):
        assert (tmp_path / "both" / "plots" / name).stat().st_size > 1000
    assert not (one / "report.html").exists()


def test_same_model_twice_gets_two_names(tmp_path: Path) -> None:
    page = Page(build_report([write_fake_run(tmp_path / "one"), write_fake_run(tmp_path / "two")], tmp_path / "both"))
    assert [cells[0] for _, cells in page.tables["compare"][1:]] == ["tiny, one", "tiny, two"]


def test_several_runs_need_a_folder(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    with pytest.raises(OccbenchError, match="--out"):
        build_report([run, run])
    with pytest.raises(OccbenchError, match="no run given"):
        build_report([])


def test_an_out_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run")
    (tmp_path / "taken").write_text("")
    with pytest.raises(OccbenchError, match="--out"):
        build_report([run], tmp_path / "taken")


def test_progress_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    build_report([write_fake_run(tmp_path)], progress=lines.append)
    assert lines[-1] == "report.html"
    assert "tiny: part: overall drops" in lines
