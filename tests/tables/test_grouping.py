"""grouping.csv: AP with true groups, a drop split into localisation and grouping, and what the report says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, Attack
from occbench.data.persons import Dataset, Person, Photo
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.types import Detections, GroundTruth
from occbench.inference.predictions import CellPredictions, FoundPersons
from occbench.reports.reading.load import load_run
from occbench.reports.tables.grouping import grouping_table, has_grouping, mixed_sentence
from occbench.tables.finished import FinishedRun
from occbench.tables.grouping import Grouping
from occbench.tables.scoring import Scoring
from occbench.tables.table import as_csv

from ..reports.fake_run import write_fake_run
from .made import made_run

ATTACK = Attack("part", "blackout", "left_arm")
SCORING = Scoring(draws=60, seed=2)
PHOTOS = 20


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two persons side by side on each of twenty photos."""
    rng = np.random.default_rng(0)
    photos = {i: Photo(i, f"{i}.jpg", Path(f"{i}.jpg"), 400, 300) for i in range(1, PHOTOS + 1)}
    points = rng.uniform((20, 20), (120, 220), (2 * PHOTOS, 17, 2)) + np.tile([[0, 0], [200, 0]], (PHOTOS, 1))[:, None]
    image = np.repeat(np.arange(1, PHOTOS + 1), 2)
    boxes = np.concatenate([points.min(1), np.ptp(points, axis=1)], axis=1)
    n = len(points)
    truth = GroundTruth(
        image_ids=np.arange(1, PHOTOS + 1),
        image=image,
        keypoints=points,
        visibility=np.full((n, 17), 2),
        bbox=boxes,
        area=np.full(n, 9000.0),
        num_keypoints=np.full(n, 17),
        crowd=np.zeros(n, bool),
        ids=np.arange(n),
    )
    persons = tuple(
        Person(
            i,
            i,
            photos[int(image[i])],
            boxes[i].astype(np.float32),
            1.0,
            points[i].astype(np.float32),
            truth.visibility[i],
        )
        for i in range(n)
    )
    return Dataset("made", COCO, np.array(COCO.sigmas), photos, persons, truth, Path("a.json"), Path())


def cell(dataset: Dataset, attack: Attack | None, mixed: int, lost: int) -> CellPredictions:
    """On so many photos both persons' arms are exchanged, on so many an arm is far away."""
    points = dataset.truth.keypoints.copy() + np.random.default_rng(3).normal(0, 1.5, dataset.truth.keypoints.shape)
    points[: 2 * lost, 5:11] += 90
    true = points.copy()
    for i in range(mixed):
        points[2 * i : 2 * i + 2, 5:11] = points[2 * i : 2 * i + 2, 5:11][::-1]

    def people(at: np.ndarray) -> FoundPersons:
        scores = np.linspace(0.9, 0.5, len(at), dtype=np.float32)
        nobody = np.full(len(at), -1, np.int32)
        return FoundPersons(
            dataset.truth.image, at.astype(np.float32), np.ones((len(at), 17), np.float32), scores, nobody
        )

    return replace(CellPredictions.empty(attack, len(points), 17), found=people(points), regrouped=people(true))


def run_of(dataset: Dataset, *cells: CellPredictions, scoring: Scoring = SCORING) -> FinishedRun:
    return made_run(dataset, scoring, {one.attack: one for one in cells}, 1e4)


def ap(dataset: Dataset, people: FoundPersons | None) -> float:
    assert people is not None
    found = Detections(people.image, people.keypoints.astype(np.float64), people.scores.astype(np.float64))
    return evaluate_cell(dataset.truth, found, dataset.sigmas, masks={None: None})[None].exact


def overall(table: pd.DataFrame, level: str) -> pd.Series:
    rows = table[(table["level"] == level) & (table["keypoint"] == "all")]
    assert len(rows) == 1
    return rows.iloc[0]


def test_people_mixed_up_are_grouping_and_joints_lost_are_localisation(dataset: Dataset) -> None:
    clean, mixed, lost = cell(dataset, None, 0, 0), cell(dataset, ATTACK, 12, 0), cell(dataset, ATTACK, 0, 12)
    for attacked, one, other in ((mixed, "grouping", "localisation"), (lost, "localisation", "grouping")):
        table = Grouping().frame(Grouping().rows(run_of(dataset, clean, attacked)))
        row = overall(table, "part")
        assert row["ap"] == pytest.approx(ap(dataset, attacked.found))
        assert row["ap_true_groups"] == pytest.approx(ap(dataset, attacked.regrouped))
        assert row["drop"] == pytest.approx(100 * (ap(dataset, clean.found) - ap(dataset, attacked.found)))
        assert row["drop"] == pytest.approx(row["localisation"] + row["grouping"])
        assert row[one] > 5
        assert row[f"{one}_lo"] > 0
        assert row[f"{one}_clear"] == 1
        assert row[other] == pytest.approx(0, abs=1e-9)
        assert row["mixed"] == pytest.approx(row["grouping"])
        assert len(table) == 2 * 18
        assert overall(table, "clean")["mixed"] == pytest.approx(0, abs=1e-9)


def test_only_models_with_tags_have_the_table(dataset: Dataset) -> None:
    clean = cell(dataset, None, 1, 1)
    assert Grouping().applies(run_of(dataset, clean))
    assert not Grouping().applies(run_of(dataset, replace(clean, regrouped=None)))


def test_without_draws_there_are_terms_and_no_intervals(dataset: Dataset) -> None:
    run = run_of(dataset, cell(dataset, None, 2, 0), cell(dataset, ATTACK, 4, 3), scoring=replace(SCORING, draws=0))
    table = Grouping().frame(Grouping().rows(run))
    assert table.loc[table["level"] == "part", ["drop", "localisation", "grouping"]].notna().all(axis=None)
    assert table[["drop_lo", "grouping_hi", "mixed_lo"]].isna().all(axis=None)


def test_the_report_says_both(dataset: Dataset, tmp_path: Path) -> None:
    run = run_of(dataset, cell(dataset, None, 3, 0), cell(dataset, ATTACK, 12, 4))
    table = Grouping().frame(Grouping().rows(run))
    folder = write_fake_run(tmp_path / "run")
    assert not has_grouping(load_run(folder))
    (folder / "grouping.csv").write_bytes(as_csv(table))
    shown = load_run(folder)
    assert has_grouping(shown)
    said = mixed_sentence(shown)
    assert said.startswith("Without occlusion AP is")
    assert "Of 1 attacks" in said
    (row,) = grouping_table(shown).rows
    assert row.values[0] == "part left_arm, blackout, r = 6.0"
    assert row.values[3].value == pytest.approx(row.values[4].value + row.values[5].value)
