"""The experiments' figures, paired by seed and by photo, and how their commands go on."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.evaluation.replicates import over_replicates

from ..conftest import CHECKOUT

QUANTITY = ("mean_drop", "part", "blur", "")


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of benchmarks/ by name."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module
    for name in (
        "hourglass",
        "retraining_figures",
        "retraining_page",
        "retraining_plots",
        "retraining_summary",
        "trainings",
    ):
        sys.modules.pop(name, None)


@pytest.fixture
def summary(benchmarks: Any) -> Any:
    return benchmarks("retraining_summary")


def test_changes_are_paired(summary: Any) -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=(2, 51))  # what photos and seeds do to every recipe alike
    models = {("none", seed): {QUANTITY: shared[seed]} for seed in (0, 1)}
    models |= {("partmix", seed): {QUANTITY: shared[seed] - 2 - seed} for seed in (0, 1)}
    models["partmix", 2] = {QUANTITY: np.full(51, 99.0)}  # its baseline is not finished
    table = summary.summary_rows(models, ["none", "partmix"], 30).set_index("recipe")
    assert table.loc["partmix", ["seeds", "change", "se_photos", "se_seeds"]].tolist() == pytest.approx(
        [3, -2.5, 0, 0.5], abs=1e-9
    )
    assert table.loc["none", ["change", "change_lo"]].isna().all()
    seeds = summary.seed_rows(models, ["none", "partmix"], 30).query("recipe == 'partmix'").set_index("seed")
    assert seeds["change"].tolist() == pytest.approx([-2, -3, np.nan], abs=1e-9, nan_ok=True)
    assert seeds["value"].tolist() == pytest.approx([*(shared[:, 0] - [2, 3]), 99])
    assert seeds["se_seeds"].isna().all()
    own = over_replicates(shared[:, 0], shared[:, 1:].T, 30)
    assert table.loc["none", ["value", "lo", "hi"]].tolist() == pytest.approx([own.value, own.lo, own.hi])


def test_what_is_not_there_yet_is_named(summary: Any, tmp_path: Path) -> None:
    runs = {"none": ("suite", "controls"), "partmix": ("suite",)}
    plan = summary.Plan(tmp_path, runs, (0,), ("nose",), ("blur",), ("centred", "decoys:6", "placebo"))
    assert "Not finished yet: none-0, partmix-0." in summary.write_summary(plan).read_text()
    assert (tmp_path / "summary.csv").read_text().startswith("quantity,level,fill,placement,recipe,seeds,value,lo,hi,")


def test_changes_that_are_told_have_a_star_and_all_are_drawn(
    summary: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    clean = {("clean_ap", "", "", ""): 70 + rng.normal(size=51)}
    drop = 10 + rng.normal(size=51)
    gains = {"none": 0, "blur-keypoint": 0.1, "partmix": 5}
    noise = {recipe: 0.2 * rng.normal(size=51) for recipe in gains}

    def figures(folder: Path, runs: Sequence[str]) -> Any:
        recipe, _, seed = folder.name.rpartition("-")
        if recipe not in gains:  # attacked with the controls alone
            return clean, 30
        return {**clean, QUANTITY: drop - gains[recipe] + (0.01 * int(seed) + noise[recipe]) * (recipe != "none")}, 30

    monkeypatch.setattr(summary, "figures_of", figures)
    runs = {**dict.fromkeys(gains, ("suite",)), "random-cutout": ("controls",)}
    plan = summary.Plan(tmp_path, runs, (0, 1), (), (), ())
    text = summary.write_summary(plan).read_text()
    over, _, seeds = text.partition("## Seed by seed")
    told = [line for line in over.splitlines() if line.endswith(" * |")]
    assert [line.split(" | ")[0] for line in told] == ["| partmix"]
    assert seeds.count(" * |") == 2
    assert "mean drop, part-blur" in seeds
    table = pd.read_csv(tmp_path / "summary.csv").query("quantity == 'mean_drop'").set_index("recipe")
    assert table["p_adjusted"].to_dict() == pytest.approx(
        {"none": np.nan, "blur-keypoint": table.loc["blur-keypoint", "p"], "partmix": 2 * table.loc["partmix", "p"]},
        rel=1e-4,
        nan_ok=True,
    )
    assert (tmp_path / "changes.svg").stat().st_size > 1000


@pytest.mark.parametrize("validated", [False, True])
def test_the_curve_has_the_start_and_every_epoch(
    summary: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validated: bool
) -> None:
    track = np.linspace(-1, 1, 51)

    def figures(folder: Path, runs: Sequence[str]) -> Any:
        if "none-1" in str(folder) or "partmix" in str(folder) or (folder.name == "epoch-2" and not validated):
            return None
        epoch = int(folder.name.rpartition("-")[2]) if "epoch" in folder.name else 2 + 5 * validated
        own = {("marker_effect", level, "blackout", "decoys:6"): track + 10 - epoch for level in ("keypoint", "nose")}
        return {("clean_ap", "", "", ""): track + 70, **own}, 30

    monkeypatch.setattr(summary, "figures_of", figures)
    runs = {"none": ("controls",), "partmix": ("suite",)}
    plan = summary.Plan(
        tmp_path, runs, (0, 1), ("nose",), ("blackout",), ("centred", "decoys:6", "placebo"), 2, validated
    )
    text = summary.write_summary(plan).read_text()
    assert "## Seed by seed" in text
    assert "## Mean drop" not in text
    points = pd.read_csv(tmp_path / "curve.csv").query("quantity == 'marker_effect' and level == 'nose'")
    assert points[["epoch", "recipe", "seeds"]].values.tolist() == [[epoch, "none", 1] for epoch in (0, 1, 2)]
    assert points["value"].tolist() == [9, 8, 7]
    assert "### blackout, nose" in text
    assert "partmix" not in text.partition("## Marker effect after every epoch")[2]
    assert (tmp_path / "curve.svg").stat().st_size > 1000


def test_hourglasses_are_compared_within_their_question(benchmarks: Any) -> None:
    hourglass = benchmarks("hourglass")
    track = np.zeros(51)
    values = {"hourglass-mini": 70, "hourglass-prm-mini": 74, "branches": 50, "msr": 45}
    models = {
        (name, seed): {hourglass.CLEAN: track + value + seed} for name, value in values.items() for seed in (0, 1)
    }
    del models["branches", 1]
    for (name, _), found in models.items():
        found["mean_drop", "part", "blur", ""] = track + values[name] / 10
    rows = {(row["quantity"], row["model"]): row for row in hourglass.rows_of(models, 30)}
    plain, pyramid = "plain residual units", "PRM-B*"
    assert list(rows) == [
        *(("clean_ap", plain), ("clean_ap", pyramid), ("mean_drop part blur", plain), ("mean_drop part blur", pyramid)),
        *(("clean_ap", "Eq. 15"), ("clean_ap", "MSR")),
    ]
    assert rows["clean_ap", pyramid]["change"] == 4
    assert rows["mean_drop part blur", pyramid]["change"] == pytest.approx(0.4)
    assert rows["clean_ap", "MSR"]["value"] == 45.5
    assert rows["clean_ap", "MSR"]["change"] == -5  # of the seed that both have
    assert "change" not in rows["clean_ap", plain]


def test_curves_of_a_resumed_training(benchmarks: Any, tmp_path: Path) -> None:
    """What a killed training logged after its last checkpoint is replaced by what the resumed one logged."""
    hourglass = benchmarks("hourglass")
    logs = {
        "1": [{"iter": 50, "loss": 80.0}, {"step": 1, "coco/AP": 0.1}, {"iter": 100, "loss": 60.0}],
        "2": [{"iter": 100, "loss": 40.0}, {"step": 2, "coco/AP": 0.3}],
    }
    for started, lines in logs.items():
        folder = tmp_path / "branches-0" / "train" / started / "vis_data"
        folder.mkdir(parents=True)
        (folder / "scalars.json").write_text("\n".join(map(json.dumps, lines)))
    table = hourglass.curves(argparse.Namespace(out=tmp_path, batch_size=8), [0, 1])
    assert table.to_numpy().tolist() == [
        *(["branches", 0, "AP", 1, 0.1], ["branches", 0, "AP", 2, 0.3]),
        *(["branches", 0, "loss", 50, 10.0], ["branches", 0, "loss", 100, 5.0]),
    ]
    hourglass.draw(table, tmp_path / "curves")
    assert (tmp_path / "curves.svg").stat().st_size > 1000


def test_a_command_that_fails_does_not_stop_the_others(
    benchmarks: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # this process keeps its own handlers
    commands, done = benchmarks("trainings").Commands(), []
    tasks = {
        "bad": functools.partial(commands.run, ["ls", "nothing"], tmp_path / "log.txt"),
        "good": functools.partial(done.append, 1),
    }
    failed = commands.side_by_side(tasks, 1)
    assert done == [1]
    assert len(failed) == 1
    assert failed[0].startswith("bad: occbench ls failed with 2: ")
    assert failed[0] in capsys.readouterr().err
    assert (tmp_path / "log.txt").read_text().startswith("$ occbench ls nothing\n")


def test_a_folder_keeps_to_its_settings(benchmarks: Any, tmp_path: Path) -> None:
    hold_to = benchmarks("trainings").hold_to
    for name in ("train", "val", "test"):
        (tmp_path / name).write_text(name)
    options = argparse.Namespace(out=tmp_path / "out", epochs=3, **{n: tmp_path / n for n in ("train", "val", "test")})
    hold_to(options, ["epochs"])
    hold_to(options, ["epochs"])
    options.epochs = 4
    with pytest.raises(SystemExit, match="was begun with another --epochs"):
        hold_to(options, ["epochs"])
    options.epochs, options.val = 3, tmp_path / "test"
    with pytest.raises(SystemExit, match="was begun with another --val"):
        hold_to(options, ["epochs"])
