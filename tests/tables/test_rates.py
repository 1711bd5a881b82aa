"""Rows of rates and of groups, each against a plain evaluation of the same cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from occbench.attacks import LSP, MPII, Attack
from occbench.data.persons import Dataset, Photo
from occbench.data.records import Record, assemble
from occbench.evaluation import pck
from occbench.system.errors import OccbenchError
from occbench.tables.cells import Cells
from occbench.tables.groups import Groups
from occbench.tables.levels import LevelScorer
from occbench.tables.rates import RatedCell, RateScorer, by_annotation, metric_name, require_measurable
from occbench.tables.scoring import ScoredCell, Scorer, Scoring

from ..evaluation.worlds import SIGMAS, population, predictions

ARM = Attack("part", "blackout", "left_arm")
WRIST = Attack("keypoint", "blackout", "left_wrist")


def world(metric: str = "pckh", persons: int = 60, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """A data set of two persons a photo, and predictions by person."""
    rng = np.random.default_rng(seed)
    skeleton = MPII if metric == "pckh" else LSP
    k = len(skeleton.keypoints)
    photos = {i: Photo(i, f"{i}.jpg", Path(f"{i}.jpg"), 300, 300) for i in range(persons // 2)}
    records = []
    for g in range(persons):
        points = rng.uniform(0, 300, (k, 2))
        flags = rng.choice([0, 1, 2], k, p=[0.2, 0.2, 0.6])
        box = np.array([0, 0, 299, 299], dtype=np.float32)
        records.append(Record(g + 5, photos[g // 2], points, flags, box, 1.0, float(rng.uniform(20, 60))))
    dataset = assemble(records, photos, skeleton, metric, "made", Path("made.json"), Path())
    found = dataset.truth.keypoints + rng.normal(size=(persons, k, 2)) * rng.uniform(0, 25, (persons, 1, 1))
    return dataset, found


def cell(dataset: Dataset, found: np.ndarray, attack: Attack | None = None) -> RatedCell:
    covered = np.zeros(dataset.truth.visibility.shape, dtype=bool)
    return RatedCell(attack, found, covered, np.ones(len(found), dtype=bool))


def test_rows_are_the_shares_of_each_joint_and_of_all_that_count() -> None:
    dataset, found = world()
    scorer = RateScorer(dataset, Scoring(draws=200), cell(dataset, found))
    rows = scorer.clean_rows()
    assert [row["keypoint"] for row in rows] == ["all", *MPII.keypoints]
    labelled = dataset.truth.visibility > 0
    assert dataset.lengths is not None
    distance = np.linalg.norm(found - dataset.truth.keypoints, axis=2) / dataset.lengths[:, None]
    for k, row in enumerate(rows[1:]):
        assert row["n"] == labelled[:, k].sum()
        assert row["value"] == pytest.approx((distance[labelled[:, k], k] < 0.5).mean())
        assert row["value_lo"] <= row["value"] <= row["value_hi"]
        assert (row["level"], row["metric"]) == ("clean", "PCKh@0.5")
        assert "drop" not in row
    counted = np.delete(labelled, (6, 7), axis=1)
    assert rows[0]["value"] == pytest.approx((np.delete(distance, (6, 7), axis=1)[counted] < 0.5).mean())
    assert rows[0]["n"] == counted.any(axis=1).sum()


def test_drops_are_clean_minus_attacked_with_intervals_and_what_remains() -> None:
    dataset, found = world()
    rng = np.random.default_rng(1)
    worse = found.copy()
    members = MPII.indices("part", "left_arm")
    worse[:, members] += rng.normal(size=(60, 3, 2)) * 40
    covered = np.zeros(dataset.truth.visibility.shape, dtype=bool)
    covered[:, members] = dataset.truth.visibility[:, members] > 0
    covered[::3, 2] = dataset.truth.visibility[::3, 2] > 0
    attacked = np.arange(60) % 5 > 0
    scorer = RateScorer(dataset, Scoring(draws=200), cell(dataset, found))
    rows = {row["keypoint"]: row for row in scorer.rows(RatedCell(ARM, worse, covered, attacked))}
    clean = {row["keypoint"]: row for row in scorer.clean_rows()}
    for name, row in rows.items():
        assert row["drop"] == pytest.approx(100 * (clean[name]["value"] - row["value"]))
        assert (row["level"], row["target"], row["placement"]) == ("part", "left_arm", "centred")
    assert rows["left_wrist"]["drop_lo"] > 0
    assert rows["left_wrist"]["p"] < 0.01
    assert (rows["right_knee"]["drop"], rows["right_knee"]["photos"]) == (0, 0)
    assert np.isnan(rows["right_knee"]["drop_lo"])  # nothing changed, so that nothing can be said about chance
    # Of the arm nothing remains visible; of the right hip, two thirds of the attacked persons.
    assert rows["left_elbow"]["n_remaining"] == 0
    assert np.isnan(rows["left_elbow"]["drop_remaining"])
    labelled = dataset.truth.visibility[:, 2] > 0
    assert rows["right_hip"]["n_remaining"] == (labelled & ~covered[:, 2] & attacked).sum()
    assert rows["right_hip"]["drop_remaining"] == 0
    table = Cells().frame([*scorer.clean_rows(), *scorer.rows(RatedCell(ARM, worse, covered, attacked))])
    assert list(table) == [name for name in list(Cells.columns)[4:] if "found" not in name]
    assert table["ap"].isna().all()
    assert table["p_adjusted"].min() >= table["p"].min()


def test_groups_are_what_the_data_set_prints() -> None:
    dataset, found = world("pck")
    scorer = RateScorer(dataset, Scoring(draws=100), cell(dataset, found))
    table = Groups().frame([*scorer.clean_groups(), *scorer.groups(cell(dataset, found + 9, WRIST))])
    assert list(table) == list(Groups.columns)[4:]
    assert set(table["metric"]) == {"PCK@0.2", "PCK@0.1", "PCP@0.5"}
    printed = ["Mean", "Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"]
    limbs = ["Mean", "Upper arm", "Lower arm", "Upper leg", "Lower leg", "Head"]
    for metric, groups in (("PCK@0.2", printed), ("PCK@0.1", printed), ("PCP@0.5", limbs)):
        for level in ("clean", "keypoint"):
            rows = table[(table["metric"] == metric) & (table["level"] == level)]
            assert rows["group"].tolist() == groups
    hits = pck.pck_hits(found, dataset.truth.keypoints, dataset.truth.visibility > 0, np.asarray(dataset.lengths), 0.2)
    knees = [LSP.keypoints.index(f"{side}_knee") for side in ("left", "right")]
    knee = table[(table["group"] == "Knee") & (table["metric"] == "PCK@0.2")]
    assert knee["value"].iloc[0] == pytest.approx(pck.rates(hits).rate[knees].mean())
    assert knee["drop"].iloc[1] == pytest.approx(100 * (knee["value"].iloc[0] - knee["value"].iloc[1]))
    assert knee["drop_lo"].iloc[1] < knee["drop"].iloc[1] < knee["drop_hi"].iloc[1]
    assert np.isnan(knee["drop"].iloc[0])


def test_without_draws_there_are_drops_but_no_intervals() -> None:
    dataset, found = world()
    scorer = RateScorer(dataset, Scoring(draws=0), cell(dataset, found))
    rows = scorer.rows(cell(dataset, found + 30, WRIST))
    assert rows[0]["drop"] > 0
    assert np.isnan([rows[0][name] for name in ("value_lo", "value_hi", "drop_lo", "drop_hi", "p")]).all()
    assert len(scorer.groups(cell(dataset, found, WRIST))) == 16


def test_predictions_by_person() -> None:
    dataset, found = world(persons=6)
    boxes = (dataset.persons[4], dataset.persons[0], replace(dataset.persons[1], annotation=None))
    some = replace(dataset, persons=boxes)
    result = by_annotation(some, found[:3])
    np.testing.assert_array_equal(result[4], found[0])
    np.testing.assert_array_equal(result[0], found[1])
    assert np.isnan(result[[1, 2, 3, 5]]).all()


def test_a_set_without_lengths_is_refused_before_anything_is_computed() -> None:
    dataset, found = world()
    assert metric_name(dataset) == "PCKh@0.5"
    require_measurable(dataset)
    blind = replace(dataset, lengths=np.full(60, np.nan))
    with pytest.raises(OccbenchError, match=r"'made' has no head size of anybody, which PCKh needs; put mpii_gt_val"):
        require_measurable(blind)
    with pytest.raises(OccbenchError, match="no head size"):
        RateScorer(blind, Scoring(), cell(blind, found))
    torso = replace(world("pck")[0], lengths=None)
    with pytest.raises(OccbenchError, match=r"has no torso of anybody, which PCK needs$"):
        require_measurable(torso)


@pytest.mark.parametrize("draws", [0, 60])
def test_levels_are_ap_of_their_photos(draws: int) -> None:
    rng = np.random.default_rng(2)
    truth = population(rng, images=40, persons=120)
    found = predictions(rng, truth)
    worse = replace(found, keypoints=found.keypoints + 8)
    levels = {int(i): ("easy", "medium", "hard")[n % 3] for n, i in enumerate(truth.image_ids)}
    dataset = replace(world()[0], truth=truth, sigmas=SIGMAS, metric="oks", levels=levels)
    covered, everybody = np.zeros(truth.visibility.shape, dtype=bool), np.ones(len(truth), dtype=bool)
    clean, attacked = ScoredCell(None, found, covered, everybody), ScoredCell(WRIST, worse, covered, everybody)
    scorer = LevelScorer(dataset, Scoring(draws=draws), clean)
    before, after = scorer.clean_groups(), scorer.groups(attacked)
    assert [row["group"] for row in after] == ["easy", "medium", "hard"]
    for n, (a, b) in enumerate(zip(before, after, strict=True)):
        part = truth.image_ids[n::3]
        rows, columns = np.isin(truth.image, part), np.isin(found.image, part)
        own = replace(
            truth,
            image_ids=part,
            **{
                name: getattr(truth, name)[rows]
                for name in ("image", "keypoints", "visibility", "bbox", "area", "num_keypoints", "crowd", "ids")
            },
        )
        values = []
        for detections in (found, worse):
            seen = replace(detections.some(columns), owner=None)
            plain = Scorer(
                own,
                SIGMAS,
                [str(k) for k in range(17)],
                Scoring(draws=0),
                ScoredCell(None, seen, covered[rows], everybody[rows]),
            )
            values.append(plain.clean_rows()[0])
        assert (a["n"], a["value"]) == (values[0]["n"], pytest.approx(values[0]["ap"], abs=1e-12))
        assert b["value"] == pytest.approx(values[1]["ap"], abs=1e-12)
        assert b["drop_grid"] == pytest.approx(100 * (a["value"] - b["value"]), abs=1e-9)
        exact = [value["ap_exact"] for value in values]
        assert b["drop"] == pytest.approx(100 * (exact[0] - exact[1]), abs=1e-9)
        assert ("drop_lo" in b) == (draws > 0)
        if draws:
            assert b["drop_lo"] < b["drop"] < b["drop_hi"]
