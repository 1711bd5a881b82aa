"""``occbench compare``: changes against a baseline, paired by photo."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.evaluation import reference
from occbench.evaluation.bootstrap import Weights
from occbench.evaluation.changes import Compared, Group, Measure
from occbench.evaluation.intervals import intervals
from occbench.jobs.paired import Measured

from ..command_line import leave_out_report
from ..evaluation.test_resampling import replicate
from .conftest import Occbench, People, Refusal, TinyModel, assert_refused

DRAWS = 15


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Enough persons for intervals; the tiny model has seen some of them."""
    from occbench.data.synthetic import generate

    annotations = generate(9, 11, tmp_path_factory.mktemp("crowd") / "crowd")
    return People(annotations, annotations.parent / "images")


def changed(tiny: TinyModel, folder: Path, amount: float, **meta: object) -> Path:
    """The tiny model's weights with noise, as a training exports them."""
    import torch

    noise = torch.Generator().manual_seed(3)
    weights = torch.load(tiny.weights, weights_only=True)
    moved = {
        name: value + amount * value.std() * torch.randn(value.shape, generator=noise) if value.ndim > 1 else value
        for name, value in weights.items()
    }
    path = folder / f"changed-{amount:g}.pth"
    torch.save({"meta": meta, "state_dict": moved}, path)
    return path


@pytest.fixture(scope="module")
def runs(tiny: TinyModel, crowd: People, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A baseline and a worse model over two sources of boxes; not to be changed."""
    from occbench.cli import main

    folder = tmp_path_factory.mktemp("compared")
    trained = {"aug": '[{"type": "PartMix", "p": 0.5}]', "baseline": "partmix", "seed": 4}
    weights = {"base": tiny.weights, "worse": changed(tiny, folder, 0.6, **trained)}
    found = {}
    for name, checkpoint in weights.items():
        for boxes in ("gt", "jitter:0.05"):
            run = found[f"{name}-{boxes.split(':')[0]}"] = folder / f"{name}-{boxes.split(':')[0]}"
            arguments = ["attack", "--model", tiny.config, "--checkpoint", checkpoint, "--data", crowd.annotations]
            arguments += [
                "--images",
                crowd.images,
                "--kind",
                "part-blackout,keypoint-blur",
                "--target",
                "head,left_hip",
            ]
            arguments += ["--boxes", boxes, "--bootstrap", DRAWS, "--out", run]
            with pytest.MonkeyPatch.context() as patch:
                leave_out_report(patch)
                patch.setattr(sys, "argv", ["occbench", *map(str, arguments)])
                with pytest.raises(SystemExit) as end:
                    main()
            assert end.value.code == 0
    return found


@pytest.fixture
def copied(runs: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """A baseline and a worse model, to spoil."""
    return {name: Path(shutil.copytree(runs[name], tmp_path / name)) for name in ("base-gt", "worse-gt")}


def test_changes_are_those_of_the_replicated_photos(occbench: Occbench, runs: dict[str, Path], tmp_path: Path) -> None:
    base, worse = runs["base-gt"], runs["worse-gt"]
    answer = occbench("compare", worse, "--baseline", base, "--json")
    assert answer.code == 0, answer.err
    (one,) = json.loads(answer.out)["compared"]
    assert (one["runs"], one["baseline_runs"]) == ([str(worse)], [str(base)])
    assert (one["group"], one["baseline"], one["seeds"]) == ("worse-gt", "base-gt", 1)
    changes = {(change["quantity"], change["attack"]): change for change in one["changes"]}
    kinds = ["keypoint-blur", "part-blackout"]
    targets = ["keypoint-blur:left_hip", "part-blackout:head"]
    both = [(quantity, name) for name in kinds + targets for quantity in ("ap", "drop")]
    assert list(changes) == [("ap", "clean"), *both]
    tables = [pd.read_csv(run / "cells.csv").query("keypoint == 'all'") for run in (base, worse)]
    drawn_clean = slow_draws([base, worse], "clean")
    truth = Measured.open(base).dataset.truth
    with_persons = len(np.unique(truth.image[truth.num_keypoints > 0]))
    for name, slug in (("clean", "clean"), ("part-blackout", "part-blackout_head")):
        level, _, fill = name.partition("-")
        rows = [t[(t["level"] == level) & ((t["fill"] == fill) | (level == "clean"))].iloc[0] for t in tables]
        drawn = slow_draws([base, worse], slug)
        expected = [("ap", 100 * (rows[1]["ap_exact"] - rows[0]["ap_exact"]), drawn[1] - drawn[0])]
        if name != "clean":
            lost = [clean - attacked for clean, attacked in zip(drawn_clean, drawn, strict=True)]
            expected.append(("drop", rows[0]["drop"] - rows[1]["drop"], lost[0] - lost[1]))
        for quantity, value, track in expected:
            found = changes[quantity, name]
            assert found["better_by"] == pytest.approx(value, abs=6e-8)  # the ten digits in cells.csv
            speak = {"clusters": np.array([with_persons]), "changed": np.array([found["photos"]])}
            ends = intervals(np.array([value]), track[:, None], method="student", **speak)
            assert found["low"] == pytest.approx(ends.lo[0], abs=1e-3)
            assert found["high"] == pytest.approx(ends.hi[0], abs=1e-3)
            assert found["p"] == pytest.approx(ends.p[0], abs=1e-3)
    assert changes["ap", "clean"]["better_by"] < -1
    drop = changes["drop", "part-blackout:head"]
    assert drop["better_by"] == pytest.approx(drop["baseline"] - drop["value"])


def slow_draws(runs: list[Path], slug: str) -> list[np.ndarray]:
    """AP x 100 by pycocotools of every draw, the drawn photos written out as often as they were drawn."""
    from occbench.inference.results import to_detections
    from occbench.runs.parquet import read_cell
    from occbench.runs.store import read_geometry

    found = []
    for run in runs:
        measured = Measured.open(run)
        data, cell, geometry = measured.dataset, read_cell(run / "predictions" / f"{slug}.parquet"), read_geometry(run)
        areas = geometry[:, 2] * geometry[:, 3]
        detections = to_detections(data, cell.keypoints, cell.scores, areas)
        weights = Weights.draw(len(data.truth.image_ids), DRAWS, rng=np.random.default_rng(0)).draws
        copies = [replicate(data.truth, detections, draw) for draw in weights]
        found.append(np.array([100 * reference.evaluate(*both[:2], data.sigmas).exact for both in copies]))
    return found


def test_attraction_in_the_data_is_that_of_the_run(runs: dict[str, Path]) -> None:
    run = Measured.open(runs["worse-gt"])
    table = pd.read_csv(runs["worse-gt"] / "cells.csv")
    row = table.query("level == 'keypoint' and target == 'left_hip' and keypoint == 'left_hip'").iloc[0]
    true, elsewhere = run.attraction("keypoint-blur_left_hip", 11, run.weights())
    assert true[0] == pytest.approx(row["attraction"], abs=1e-6)
    assert np.isnan(elsewhere).all()
    assert len(true) == 1 + DRAWS
    assert true[1:].min() < true[0] < true[1:].max()


def test_every_source_of_boxes_has_its_baseline(occbench: Occbench, runs: dict[str, Path], tmp_path: Path) -> None:
    given = [runs[name] for name in ("base-gt", "base-jitter", "worse-gt", "worse-jitter")]
    answer = occbench("compare", *given, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    lines = [line for line in answer.out.splitlines() if "against" in line]
    assert len(lines) == 2
    assert [line.split(" (")[0] for line in lines] == ["worse-gt, against base-gt", "worse-jitter, against base-jitter"]
    tables = tmp_path / "out" / "tables"
    table = pd.read_csv(tables / "changes.csv")
    assert list(table["hidden"]) == ["1 keypoint, blur", "1 part, blackout"]
    for place in (0, 1):
        assert (table[f"less_{place}_lo"] <= table[f"less_{place}_hi"]).all()
    clean = pd.read_csv(tables / "changes_ap.csv").iloc[0]
    one = pd.read_csv(tables / "training_ap.csv")
    assert one["change"].dropna().tolist() == pytest.approx([clean["higher_0"], clean["higher_1"]])
    names = {path.name for path in tables.iterdir()}
    assert {"changes.md", "changes.tex", "changes_part.csv", "models.csv", "compare_boxes.csv"} <= names
    page = (tmp_path / "out" / "report.html").read_text()
    assert "training not recorded" not in page
    assert "intervals are by the photos alone" in page
    only = occbench("compare", *given[::2], "--out", tmp_path / "latex", "--format", "latex")
    assert only.out.splitlines()[-1] == f"tables: {tmp_path / 'latex' / 'tables'}"
    assert {p.suffix for p in (tmp_path / "latex" / "tables").iterdir()} == {".tex"}


def test_the_exit_code_is_for_losses_alone(occbench: Occbench, runs: dict[str, Path]) -> None:
    base, worse = runs["base-gt"], runs["worse-gt"]
    failed = occbench("compare", base, worse, "--fail-if-drop-over", "0.5", "--fail-on", "estimate")
    assert failed.code == 3
    assert failed.err.startswith("occbench: worse-gt loses ")
    assert failed.err.count("\n") == 1
    assert "more than 0.5" in failed.err
    assert occbench("compare", base, worse, "--fail-if-drop-over", "99", "--fail-on", "estimate").code == 0
    assert occbench("compare", worse, base, "--fail-if-drop-over", "99").code == 0
    answer = occbench("compare", base, worse, "--json")
    changes = json.loads(answer.out)["compared"][0]["changes"]
    aps = [change for change in changes if change["quantity"] == "ap" and ":" not in change["attack"]]
    limit = max(0.0, *(-change["high"] for change in aps)) + 0.01  # no interval lies beyond it, a figure does
    assert any(-change["better_by"] > limit for change in aps)
    assert occbench("compare", base, worse, "--fail-if-drop-over", limit).code == 0
    assert occbench("compare", base, worse, "--fail-if-drop-over", limit, "--fail-on", "estimate").code == 3


def test_the_interval_fails_where_all_of_it_lies_below() -> None:
    def worse(low: float, high: float, value: float = -2.0) -> tuple[Measure, ...]:
        change = Measure("ap", "clean", "", "", 1, value, low, high)
        lost = Measure("drop", "part", "blur", "", 11, -9.0, -9.5, -8.5)
        single = Measure("ap", "part", "blur", "head", 1, -9.0, -9.5, -8.5)
        one = Compared(Group("new", (1,)), Group("old", (0,)), ((1, 0),), changes=(change, lost, single))
        return one.worse_than(1.0)

    assert [change.name for change in worse(-3, -1.1)] == ["clean"]
    assert worse(-3, -0.9) == ()
    assert len(worse(float("nan"), float("nan"))) == 1  # without an interval the figure decides
    assert worse(float("nan"), float("nan"), -0.9) == ()


def test_who_has_nothing_left_to_lose_is_not_called_robust(
    occbench: Occbench, copied: dict[str, Path], tmp_path: Path
) -> None:
    """What an attack spares in a model that finds nobody anyway says nothing about the model."""
    for run in copied.values():
        cells = pd.read_csv(run / "cells.csv")
        clean = (cells["level"] == "clean") & (cells["keypoint"] == "all")
        low = run.name.startswith("worse")
        cells.loc[clean, ["value", "value_lo", "value_hi"]] = [0.012, 0.0, 0.03] if low else [0.9, 0.8, 0.95]
        attacked = cells["level"] != "clean"
        cells.loc[attacked, "drop_lo"], cells.loc[attacked, "drop_hi"] = cells["drop"] - 1, cells["drop"] + 1
        cells.to_csv(run / "cells.csv", index=False)
    given = ("compare", copied["base-gt"], copied["worse-gt"])
    answer = occbench(*given, "--out", tmp_path / "out")
    assert "  worse-gt: There is nothing left to lose: the clean AP of 0.0120 is" in answer.out
    assert "base-gt: There is" not in answer.out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Whether worse-gt is more robust than base-gt cannot be said: worse-gt has nothing left to lose." in page
    assert "worse-gt: There is nothing left to lose" in page
    (one,) = json.loads(occbench(*given, "--json").out)["compared"]
    assert list(one["nothing_to_lose"]) == ["worse-gt"]
    several = occbench("report", *given[1:], "--out", tmp_path / "both")
    assert several.code == 0
    assert "worse-gt: There is nothing left to lose" in (tmp_path / "both" / "report.html").read_text()


def test_what_compare_refuses(refuses: Refusal, runs: dict[str, Path], tmp_path: Path) -> None:
    base, worse = runs["base-gt"], runs["worse-gt"]
    refuses(["compare", base], "one run alone cannot be compared")
    refuses(["compare", base, base], "one run alone cannot be compared")
    refuses(["compare", base, runs["worse-jitter"]], "no run has the boxes of the baseline", "base-gt", "same boxes")
    refuses(["compare", base, worse, "--format", "pdf"], "unknown format 'pdf'")
    refuses(["compare", base, worse, "--fail-on", "luck"], "unknown fail-on 'luck'")
    refuses(["compare", base, worse, "--short"], "--short is a page")
    refuses(["compare", base, worse, "--label", "one"], "--label gives 1 names for 2 runs")
    refuses(["compare", base, worse, "--label", "one,one"], "the name 'one' twice")
    refuses(["compare", base, "--group", "other"], "--group 'other' names no runs")
    refuses(["compare", "--group", f"a={base}", "--group", f"b={base},{worse}"], "twice: a run belongs to one group")
    refuses(["compare", "--group", f"a={base},{worse}"], "all runs are trainings of one recipe ('a')")
    refuses(["compare", base, tmp_path / "nothing"], "is no run folder")
    for what, where in (("protocol", ("protocol",)), ("data", ("data", "limit"))):
        other = tmp_path / f"other-{what}"
        shutil.copytree(worse, other)
        manifest = json.loads((other / "manifest.json").read_text())
        inner = manifest
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = "thesis" if what == "protocol" else 8
        (other / "manifest.json").write_text(json.dumps(manifest))
        refuses(["compare", base, other], f"has other {what} than", "same photos")


def test_moved_annotations_are_found_again(occbench: Occbench, copied: dict[str, Path], crowd: People) -> None:
    for run in copied.values():
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["data"] |= {"annotations": "gone/annotations.json", "relative": {}}
        (run / "manifest.json").write_text(json.dumps(manifest))
    assert_refused(occbench("compare", *copied.values()), "gone/annotations.json")
    given = ["--data", crowd.annotations, "--images", crowd.images]
    assert occbench("compare", *copied.values(), *given).code == 0
