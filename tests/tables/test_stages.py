"""stages.csv: PDJ and PCP by stage against plain counts, drops against the same stage, gains over the first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, FLIC, LSP, Attack
from occbench.data.persons import Dataset
from occbench.evaluation.stages import FRACTIONS, LOOSE, stage_metric, stage_tables
from occbench.inference.predictions import CellPredictions
from occbench.reports.reading.load import load_run
from occbench.reports.tables.stages import collapsed_sentence, curve_table, has_stages, limb_table, stage_drops_table
from occbench.tables.finished import FinishedRun
from occbench.tables.scoring import Scoring
from occbench.tables.stages import Stages
from occbench.tables.table import as_csv

from ..reports.fake_run import write_fake_run
from .made import made_run
from .test_rates import world

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "models" / "golden" / "deeppose.json").read_text())
ATTACK = Attack("part", "blackout", "left_arm")


def test_pcp_of_the_worked_numbers() -> None:
    """Two limbs of three joints: shoulder, elbow and wrist of one arm."""
    given, keypoints = GOLDEN["pcp"], ("left_shoulder", "left_elbow", "left_wrist")
    every = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist")]
    at = [every.index(name) for name in keypoints]
    truth, found = (np.zeros((5, 6, 2)) for _ in range(2))
    truth[:, at], found[:, at] = given["truth"], given["pred"]
    labelled = np.zeros((5, 6), dtype=bool)
    labelled[:, at] = True
    tables = {t.name: t for t in stage_tables(found, truth, labelled, np.ones(5), every)}
    for name, expected in (("PCP@0.5", "strict"), (LOOSE, "loose")):
        hits = tables[name].hits
        columns = [tables[name].groups[limb].columns[0] for limb in ("Upper arm", "Lower arm")]
        rows = [[limb[expected] for limb in person] for person in given["rows"]]
        assert hits.hit[:, columns].tolist() == rows
        assert hits.hit[:, columns].mean(0).tolist() == pytest.approx(given[f"{expected}_rate"])


def test_pdj_of_the_worked_numbers() -> None:
    given = GOLDEN["pdj"]
    truth, found = (np.array([GOLDEN[name]]) for name in ("truth", "stage1"))
    labelled = np.ones((1, 14), dtype=bool)
    tables = {t.name: t for t in stage_tables(found, truth, labelled, np.array([given["torso"]]), LSP.keypoints)}
    for fraction, expected in given["detected"].items():
        assert tables[f"PDJ@{float(fraction):g}"].hits.hit[0].tolist() == expected


def test_skeletons_have_the_joints_and_limbs_that_they_have() -> None:
    assert stage_metric(FLIC.keypoints).averaged == ("Upper arm", "Lower arm")
    assert stage_metric(COCO.keypoints).averaged == ("Upper arm", "Lower arm", "Upper leg", "Lower leg")
    assert stage_metric(LSP.keypoints).joints["Head"] == ("neck", "head_top")
    assert set(stage_metric(COCO.keypoints).joints["Head"]) == {"left_eye", "right_eye", "nose"}


def cells(dataset: Dataset, found: np.ndarray) -> dict[Attack | None, CellPredictions]:
    """Two stages: the second is right by half, and the attack moves the first person's."""
    clean = CellPredictions.empty(None, len(found), 14, earlier=1)
    truth = dataset.truth.keypoints
    clean.stages[:, 0], clean.keypoints[:] = found, (found + truth) / 2
    hidden = replace(clean, attack=ATTACK, stages=clean.stages + 0, keypoints=clean.keypoints + 0)
    hidden.stages[:20] += 40
    hidden.keypoints[:10] += 40
    return {None: clean, ATTACK: hidden}


@pytest.fixture(scope="module")
def run() -> FinishedRun:
    dataset, found = world("pck")
    return made_run(dataset, Scoring(draws=100), cells(dataset, found), 1000.0)


def test_figures_drops_and_gains(run: FinishedRun) -> None:
    table = Stages().of(run)
    truth, labelled = run.dataset.truth.keypoints, run.dataset.truth.visibility > 0
    shoulder, hip = (LSP.keypoints.index(name) for name in ("left_shoulder", "right_hip"))
    other = [LSP.keypoints.index(name) for name in ("right_shoulder", "left_hip")]
    torsos = np.linalg.norm(truth[:, shoulder] - truth[:, hip], axis=1)
    second = np.linalg.norm(truth[:, other[0]] - truth[:, other[1]], axis=1)
    first_known, second_known = labelled[:, [shoulder, hip]].all(1), labelled[:, other].all(1)
    torsos = np.where(first_known, torsos, np.where(second_known, second, np.nan))

    def share(poses: np.ndarray, fraction: float) -> float:
        near = np.linalg.norm(poses - truth, axis=2) < fraction * torsos[:, None]
        return float(near[labelled & np.isfinite(torsos)[:, None]].mean())

    means = table[(table["group"] == "Mean")].fillna({"target": ""})
    for attack, cell in ((None, run.read(None)), (ATTACK, run.read(ATTACK))):
        for stage, poses in ((1, cell.stages[:, 0]), (2, cell.keypoints)):
            for fraction in FRACTIONS:
                wanted = (means["stage"] == stage) & (means["metric"] == f"PDJ@{fraction:g}")
                (row,) = means[wanted & (means["target"] == ("" if attack is None else "left_arm"))].to_dict("records")
                assert row["value"] == pytest.approx(share(poses, fraction), abs=1e-12)
                before = [run.clean.stages[:, 0], run.clean.keypoints][stage - 1]
                drop = 100 * (share(before, fraction) - share(poses, fraction))
                assert np.isnan(row["drop"]) if attack is None else row["drop"] == pytest.approx(drop)
                gain = 100 * (share(poses, fraction) - share(cell.stages[:, 0], fraction))
                assert np.isnan(row["gain"]) if stage == 1 else row["gain"] == pytest.approx(gain)


def test_collapsed_poses_are_counted(run: FinishedRun) -> None:
    cell = run.read(None)
    cell.stages[:3, 0, LSP.keypoints.index("left_shoulder")] = cell.stages[:3, 0, LSP.keypoints.index("right_hip")] + 1
    found = Stages().of(run)
    (row,) = found[(found["metric"] == "collapsed") & (found["level"] == "clean")].to_dict("records")
    apart = cell.stages[:, 0][:, [9, 2]]
    assert row["value"] == (np.linalg.norm(apart[:, 0] - apart[:, 1], axis=1) < 50).mean() > 0  # of 1000 px
    assert row["stage"] == 1


def test_only_a_cascade_has_the_table(run: FinishedRun) -> None:
    assert Stages().applies(run)
    dataset, found = world("pck")
    plain = CellPredictions.empty(None, len(found), 14)
    assert not Stages().applies(made_run(dataset, Scoring(draws=0), {None: plain}, 1.0))


def test_report_reads_it(run: FinishedRun, tmp_path: Path) -> None:
    folder = write_fake_run(tmp_path / "run")
    assert not has_stages(load_run(folder))
    table = Stages().of(run)
    (folder / "stages.csv").write_bytes(as_csv(table))
    read = load_run(folder)
    assert "after stage 1" in collapsed_sentence(read)
    curve, limbs, drops = curve_table(read), limb_table(read), stage_drops_table(read)
    assert [row.values[0] for row in curve.rows] == [f"{a:g}" for a in FRACTIONS]
    assert "Upper arm, loose" in [row.values[0] for row in limbs.rows]
    (row,) = drops.rows
    expected = table[(table["metric"] == "PDJ@0.2") & (table["group"] == "Mean") & (table["level"] == "part")]
    assert [drop.value for drop in row.values[1:]] == pytest.approx(expected["drop"].tolist())  # type: ignore[union-attr]
    assert isinstance(table, pd.DataFrame)
