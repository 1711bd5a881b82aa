"""Several runs on one page, and published figures beside them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from occbench.reports import build_report, load_run
from occbench.reports.findings.compare import compare_level, recipe_label, run_labels
from occbench.reports.reading.drops import Drop
from occbench.reports.reading.load import Run
from occbench.reports.reading.published import TABLE_1, comparable_losses, comparable_table, detector
from occbench.reports.tables.training import training_tables

from .fake_run import Cell, default_cells, plain_loss, write_fake_run
from .reading import Page

VAL2017 = {
    "model.name": "hrnet",
    "model.input_size": [192, 256],
    "data.name": "coco-val2017",
    "data.n_persons": 6352,
    "boxes": {"source": "detections", "file": "/x/cascade_rcnn_r50.json"},
}


def load(folder: Path, **changes: Any) -> Run:
    return load_run(write_fake_run(folder, default_cells()[:1], examples=False, changes=changes))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of different models, the second losing twice as much, on other boxes."""
    folder = tmp_path_factory.mktemp("both")
    one = write_fake_run(folder / "one", default_cells()[:2], intervals=True, examples=False)
    changes = {"model.name": "other", "boxes": {"source": "detections", "file": "/x/retinanet.json"}}
    two = write_fake_run(
        *(folder / "two", [*default_cells()[:2], ("keypoint", "blackout", "left_hip", 6.0, "centred")]),
        *(lambda c, k: 2 * plain_loss(c, k), True, False, changes),
    )
    build_report([one, two], folder / "both")
    return folder


def test_two_runs_are_compared(both: Path) -> None:
    page = Page(both / "both" / "report.html")
    tiny, other = (page.tables["compare"].row(run=name) for name in ("one", "two"))
    nose = plain_loss(("keypoint", "blackout", "nose", 6.0, "centred"), "all")
    assert tiny["blackout"].value == pytest.approx(nose)
    assert other["blackout"].value == pytest.approx(
        2 * nose
    )  # the left hip, which the first run did not hide, is left out
    assert (tiny["boxes"].text, other["boxes"].text) == ("gt", "retinanet")
    assert "All runs: data dev, protocol corrected." in page.text
    assert "These runs also differ in: boxes, attacked keypoints." in page.text
    assert len(page.ids) == len(set(page.ids))
    assert page.tables["compare_boxes"].row(boxes="retinanet")["other"].value == pytest.approx(76.06)
    assert math.isnan(page.tables["compare_boxes"].row(boxes="retinanet")["tiny"].value)
    for name in (
        "compare_ap.svg",
        "compare_drop.png",
        "compare_boxes.svg",
        "r1_overall_keypoint.svg",
        "r2_matrix_blur.svg",
    ):
        assert (both / "both" / "plots" / name).stat().st_size > 1000
    for name in ("compare.csv", "compare_keypoint.tex", "r1_cells.md", "training_ap.csv"):
        assert (both / "both" / "tables" / name).stat().st_size > 50
    assert not (both / "one" / "report.html").exists()


def test_same_layout_for_one_run_and_several(both: Path, plain_page: Page) -> None:
    page = Page(both / "both" / "report.html")
    mine = [i.removeprefix("r1-") for i in page.ids if i.startswith("r1-")]
    alone = [i.removeprefix("run-") for i in plain_page.ids if i.startswith("run-")]
    assert mine == [i for i in alone if not i.startswith("examples")]


def test_means_are_over_targets_that_all_runs_hid(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", t, 6.0, "centred") for t in ("nose", "left_hip")]
    first = load_run(write_fake_run(tmp_path / "a", cells, lambda c, _: {"nose": 1.0}.get(c[2], 5.0), intervals=True))
    second = load_run(write_fake_run(tmp_path / "b", cells[:1], lambda c, _: 3.0, intervals=True))
    found = compare_level([first, second], ["a", "b"], "keypoint")
    assert found is not None
    assert found.targets == ("nose",)
    assert (found.means["a", "blur"], found.means["b", "blur"]) == (Drop(1.0, 0.0, 2.0), Drop(3.0, 2.0, 4.0))
    assert (found.aps["a", "clean"], round(found.aps["b", "blur"], 6)) == (0.7606, 0.7306)
    assert compare_level([first, second], ["a", "b"], "part") is None


def test_labels_are_those_of_the_folders(tmp_path: Path) -> None:
    runs = [load(tmp_path / name) for name in ("a/none", "a/partmix", "b/none")]
    assert run_labels(runs[:2]) == ["none", "partmix"]
    assert run_labels(runs) == ["a/none", "a/partmix", "b/none"]
    assert run_labels([runs[0], runs[0]]) == ["none (1)", "none (2)"]


@pytest.mark.usefixtures("without_figures")
def test_published_rows_stand_beside_comparable_runs_only(tmp_path: Path) -> None:
    run = load(tmp_path / "a", **VAL2017)
    assert comparable_table([run]) == ("Table I", TABLE_1)
    (table,) = training_tables([run], ["mine"])
    assert [row.note for row in table.rows] == ["", *["published"] * len(TABLE_1)]
    assert table.rows[0].values[0] == "mine"
    assert table.rows[3].values[:6] == (
        "HRNet",
        "baseline: flip, rotation, scale, half-body",
        "",
        "",
        *table.rows[3].values[4:6],
    )
    assert table.rows[3].values[5:] == (74.3, 90.6, 81.7, 70.7, 80.7, 78.8)
    assert "not measured here" in table.caption
    page = Page(build_report([run.path], tmp_path / "page", kind="html"))
    assert page.text.count("published") >= len(TABLE_1)


@pytest.mark.parametrize(
    "change",
    [
        {"model.name": "hrnet-w48"},
        {"model.input_size": [288, 384]},
        {"data.n_persons": 303},
        {"data.limit": 100},
        {"data.name": "person_keypoints_real_dev"},
        {"boxes": {"source": "gt"}},
        {"boxes": {"source": "detections", "file": "COCO_val2017_detections_AP_H_56_person.json"}},
    ],
)
def test_other_runs_compare_with_nothing_published(tmp_path: Path, change: dict[str, Any]) -> None:
    run = load(tmp_path, **{**VAL2017, **change})
    assert comparable_table([run]) is None
    (table,) = training_tables([run], ["mine"])
    assert len(table.rows) == 1


@pytest.mark.usefixtures("without_figures")
def test_published_losses_compare_with_the_thesis_protocol_only(tmp_path: Path) -> None:
    thesis = load(tmp_path / "a", **VAL2017, protocol="thesis")
    assert comparable_losses(thesis, "keypoint")["nose", "blackout"] == 5.0
    assert comparable_losses(thesis, "part")["upper_body", "blackout"] == 44.0
    assert comparable_losses(load(tmp_path / "b", **VAL2017), "keypoint") == {}
    page = Page(build_report([thesis.path], kind="html"))
    row = page.tables["overall_keypoint"].row(target="nose")
    assert row["blackout"].value == 5.0  # the last of two columns of this name: the published one
    assert "published (thesis)" in page.text


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/faster_rcnn_x101.json", "Faster R-CNN"), ("EfficientDet-d7.json", "EfficientDet-D7"), ("mine.json", None)],
)
def test_box_sources_of_the_thesis(tmp_path: Path, file: str, name: str | None) -> None:
    assert detector(load(tmp_path, boxes={"source": "detections", "file": file})) == name


def test_recipes_fill_the_columns_of_table_one(tmp_path: Path) -> None:
    recipe = {"name": "cutout", "level": "part", "removal": True, "p": 0.5}
    (table,) = training_tables([load(tmp_path, **{"model.augmentation": recipe})], ["mine"])
    assert table.rows[0].values[:5] == ("mine", "cutout", "part", "yes", 0.5)


@pytest.mark.usefixtures("without_figures")
def test_joints_fill_table_two(tmp_path: Path) -> None:
    folder = write_fake_run(tmp_path, default_cells()[:1], examples=False, changes={"data.name": "mpii_val"})
    head = "level,fill,target,placement,metric,group,radius,n,value,value_lo,value_hi,drop,drop_lo,drop_hi,p\n"
    lines = [f"clean,,,,PCKh@0.5,{g},,30,{v},,,,,,\n" for g, v in (("Head", 0.971), ("Mean", 0.903))]
    lines += ["keypoint,blackout,nose,centred,PCKh@0.5,Head,6,30,0.9,0.8,0.95,7.1,5,9,0.001\n"]
    (folder / "groups.csv").write_text(head + "".join(lines))
    cells = (folder / "cells.csv").read_text().splitlines()
    cells = [cells[0] + ",metric,value", *(line + ",PCKh@0.5,0.5" for line in cells[1:])]
    (folder / "cells.csv").write_text("\n".join(cells) + "\n")
    run = load_run(folder)
    assert run.metric == "PCKh@0.5"
    (table,) = training_tables([run], ["mine"])
    assert [c.head for c in table.columns[5:]] == [
        "Head",
        "Shoulder",
        "Elbow",
        "Wrist",
        "Hip",
        "Knee",
        "Ankle",
        "Total",
    ]
    assert (table.rows[0].values[5], table.rows[0].values[-1]) == (pytest.approx(97.1), pytest.approx(90.3))
    page = Page(build_report([folder]))
    assert "Clean PCKh@0.5" in page.text
    assert page.tables["groups"].row(metric="PCKh@0.5")["Head"].value == 0.971
    assert page.tables["groups_keypoint"].row(target="nose")["Head"].text == "7.10 [5.0, 9.0]"


def test_the_training_of_a_run_in_words(tmp_path: Path) -> None:
    def trained(**recipe: object) -> Run:
        return load(tmp_path, **{"model.augmentation": {"name": "cutout-keypoint", "p": 0.5, **recipe}})

    runs = [load(tmp_path), trained(seed=0), trained(seed=1, decoys=0), trained(seed=0, decoys=6)]
    assert [recipe_label(run) for run in runs] == [
        "not recorded",
        "cutout-keypoint, seed 0",
        "cutout-keypoint, seed 1",
        "cutout-keypoint, 6 decoys, seed 0",
    ]
    assert training_tables(runs, ["a", "b", "c", "d"])[0].rows[3].values[1] == "cutout-keypoint, 6 decoys"
