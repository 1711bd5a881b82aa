"""refinement.csv: PCK, medians, spreads and wrong windows of both stages against plain counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from occbench.attacks import LSP, Attack
from occbench.data.persons import Dataset
from occbench.evaluation.refinement import FRACTIONS, median_error, outside_table, pck_tables, spread_x
from occbench.inference.predictions import CellPredictions
from occbench.reports.page.plots import PlotFolder
from occbench.reports.page.sections import run_sections
from occbench.reports.reading.load import load_run
from occbench.reports.tables.refinement import (
    accuracy_table,
    attacked_table,
    has_refinement,
    joint_table,
    window_sentence,
)
from occbench.tables.finished import FinishedRun
from occbench.tables.refinement import Refinement
from occbench.tables.scoring import Scoring
from occbench.tables.stages import Stages
from occbench.tables.table import as_csv

from ..reports.fake_run import write_fake_run
from .made import made_run
from .test_rates import world

ATTACK = Attack("part", "blackout", "left_arm")
ARM = [LSP.keypoints.index(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist")]
PX = 192 / 384  # crop px for a px of the photo
WINDOW = 40


def cells(dataset: Dataset, found: np.ndarray) -> dict[Attack | None, CellPredictions]:
    """The fine stage is right by half; the attack moves the arm of every second person by 60 px."""
    clean = CellPredictions.empty(None, len(found), 14, earlier=1)
    truth = dataset.truth.keypoints
    clean.stages[:, 0], clean.keypoints[:] = found, (found + truth) / 2
    hidden = replace(clean, attack=ATTACK, stages=clean.stages + 0, keypoints=clean.keypoints + 0)
    hidden.stages[::2, :, ARM] += 60
    hidden.keypoints[::2, ARM] += 60
    return {None: clean, ATTACK: hidden}


@pytest.fixture(scope="module")
def run() -> FinishedRun:
    dataset, found = world("pck")
    made = made_run(dataset, Scoring(draws=100), cells(dataset, found), 384.0)
    return replace(made, window=WINDOW)


def test_figures_drops_and_gains(run: FinishedRun) -> None:
    table = Refinement().of(run).fillna({"target": ""}).set_index(["target", "stage", "metric", "group"])
    truth, labelled = run.dataset.truth.keypoints, run.dataset.truth.visibility > 0
    for target, attack in (("", None), ("left_arm", ATTACK)):
        cell = run.read(attack)
        medians = {}
        for stage, poses in (("coarse", cell.stages[:, 0]), ("fine", cell.keypoints)):
            apart = (poses - truth) * PX
            medians[stage] = np.median(np.linalg.norm(apart, axis=-1)[labelled])
            row = table.loc[target, stage, "median error", "Mean"]
            assert row["value"] == pytest.approx(medians[stage])
            assert row["value_lo"] <= row["value"] <= row["value_hi"]
            assert row["n"] == labelled.sum()
            x = apart[..., 0][labelled]
            assert table.loc[target, stage, "sd x", "Mean"]["value"] == pytest.approx(x[np.abs(x) <= 20].std())
        gain = table.loc[target, "fine", "median error", "Mean"]["gain"]
        assert gain == pytest.approx(medians["fine"] - medians["coarse"])
        outside = (np.abs((cell.stages[:, 0] - truth) * PX).max(-1) >= WINDOW / 2) & labelled
        assert table.loc[target, "coarse", "outside window", "Mean"]["value"] == pytest.approx(
            outside.sum() / labelled.sum()
        )
        if attack is not None:
            others = [k for k in range(14) if k not in ARM]
            for group, columns in (("hidden", ARM), ("not hidden", others)):
                row = table.loc[target, "coarse", "outside window", group]
                assert row["value"] == pytest.approx(outside[:, columns].sum() / labelled[:, columns].sum())
            assert table.loc[target, "coarse", "outside window", "hidden"]["drop"] < -30
            assert table.loc[target, "coarse", "outside window", "not hidden"]["drop"] == 0
    clean = table.loc["", "fine", "PCK@0.05", "Mean"]
    assert clean["gain"] == pytest.approx(100 * (clean["value"] - table.loc["", "coarse", "PCK@0.05", "Mean"]["value"]))
    assert {m for _, _, m, _ in table.index if m.startswith("PCK@")} == {f"PCK@{a:g}" for a in FRACTIONS}


def test_medians_and_spreads_of_draws_are_those_of_repeated_photos() -> None:
    rng = np.random.default_rng(0)
    apart, labelled = rng.normal(size=(12, 3, 2)) * 10, rng.random((12, 3)) < 0.8
    apart[4] = np.nan  # nobody found him
    image, draws = np.arange(12) // 2, rng.integers(0, 3, (7, 6))
    median, spread = (f(apart, labelled, image, draws) for f in (median_error, spread_x))
    for b, counts in enumerate(draws):
        rows = np.concatenate([np.flatnonzero(image == i).repeat(c) for i, c in enumerate(counts)])
        counted = labelled[rows] & np.isfinite(apart[rows]).all(-1)
        errors = apart[rows][counted]
        assert median.draws[b] == pytest.approx(np.median(np.linalg.norm(errors, axis=1)))
        x = errors[:, 0]
        assert spread.draws[b] == pytest.approx(x[np.abs(x) <= 20].std())
    assert median.persons == (labelled & np.isfinite(apart).all(-1)).any(1).sum()
    nobody = median_error(apart, np.zeros_like(labelled), image, draws)
    assert (nobody.n, len(nobody.draws)) == (0, 7)
    assert np.isnan(nobody.value)


def test_a_window_ends_at_half_its_side() -> None:
    apart = np.array([[[19.9, 0.0], [0.0, -20.0], [np.nan, np.nan]]])
    table = outside_table(apart, np.ones((1, 3), dtype=bool), 40)
    assert table.hits.hit.tolist() == [[False, True, False]]
    assert table.hits.counted.tolist() == [[True, True, False]]


def test_no_limbs_among_the_shares() -> None:
    truth = np.zeros((2, 14, 2))
    tables = pck_tables(truth, truth, np.ones((2, 14), dtype=bool), np.ones(2), LSP.keypoints)
    assert [table.name for table in tables] == [f"PCK@{a:g}" for a in FRACTIONS]


def test_it_stands_in_the_place_of_stages(run: FinishedRun) -> None:
    assert Refinement().applies(run)
    assert not Stages().applies(run)
    assert not Refinement().applies(replace(run, window=None))
    assert Stages().applies(replace(run, window=None))


def test_report_reads_it(run: FinishedRun, tmp_path: Path) -> None:
    folder = write_fake_run(tmp_path / "run")
    assert not has_refinement(load_run(folder))
    table = Refinement().of(run)
    (folder / "refinement.csv").write_bytes(as_csv(table))
    read = load_run(folder)
    assert "% of the joints lie outside" in window_sentence(read)
    clean, joints, attacked = accuracy_table(read), joint_table(read), attacked_table(read)
    assert [row.values[0] for row in clean.rows] == ["median error", "sd x", *(f"PCK@{a:g}" for a in FRACTIONS)]
    assert "Wrist" in [row.values[0] for row in joints.rows]
    (row,) = attacked.rows
    assert len(row.values) == len(attacked.columns)
    hidden = table[(table["group"] == "hidden")]["value"].item()
    assert row.values[5].value == pytest.approx(hidden)  # type: ignore[union-attr]
    titles = [section.title for section in run_sections(read, "r", PlotFolder(tmp_path, draws=False))]
    assert "Coarse and fine" in titles
