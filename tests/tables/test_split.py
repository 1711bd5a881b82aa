"""The split of a loss, by itself: the terms of rates and of AP, beside the scorers of the run's own drops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.attacks import Attack
from occbench.data.persons import Dataset
from occbench.evaluation.bootstrap import Weights
from occbench.evaluation.intervals import intervals
from occbench.evaluation.rates import METRICS, resample_rates
from occbench.inference.predictions import CellPredictions
from occbench.tables.rates import RatedCell, RateScorer, by_annotation
from occbench.tables.redetected import Cell
from occbench.tables.scoring import Scoring
from occbench.tables.split import Split, Splitter

from .test_rates import WRIST, world

SCORING = Scoring(draws=80, seed=4)


def predicted(dataset: Dataset, attack: Attack | None, spread: float, seed: int) -> Cell:
    """The truth, missed by more and more px."""
    rng = np.random.default_rng(seed)
    n, k = len(dataset.persons), len(dataset.skeleton.keypoints)
    cell = CellPredictions.empty(attack, n, k)
    cell.keypoints[:] = [person.keypoints for person in dataset.persons]
    cell.keypoints[:] += rng.normal(size=(n, k, 2)) * spread
    cell.scores[:] = 0.5
    return Cell(dataset, np.full(n, 9e4), cell)


@pytest.fixture
def cells() -> list[Cell]:
    """Clean; the attacked photo; the boxes found in it, which lack every fourth person; both."""
    dataset, _ = world(persons=60)
    fewer = replace(dataset, persons=tuple(p for i, p in enumerate(dataset.persons) if i % 4))
    return [
        predicted(dataset, None, 8, 0),
        predicted(dataset, WRIST, 14, 1),
        predicted(fewer, None, 9, 2),
        predicted(fewer, WRIST, 17, 3),
    ]


def test_each_term_of_a_rate_is_a_drop_with_its_interval(cells: list[Cell]) -> None:
    clean, photo, boxes, both = cells
    rows = Splitter(SCORING, clean).rows(WRIST, photo, boxes, both)
    dataset = clean.dataset

    def rated(cell: Cell) -> RatedCell:
        covered = np.zeros(dataset.truth.visibility.shape, dtype=bool)
        attacked = np.ones(len(dataset.truth), dtype=bool)
        return RatedCell(WRIST, by_annotation(cell.dataset, cell.predictions.keypoints), covered, attacked)

    scorer = RateScorer(dataset, SCORING, rated(clean))
    for term, cell in (("drop_pose", photo), ("drop_boxes", boxes), ("drop_both", both)):
        expected = scorer.rows(rated(cell))
        assert [row["keypoint"] for row in rows] == [row["keypoint"] for row in expected]
        for row, drop in zip(rows, expected, strict=True):
            assert row["n"] == drop["n"]
            for ours, theirs in (("", "drop"), ("_lo", "drop_lo"), ("_hi", "drop_hi"), ("_se", "drop_se"), ("_p", "p")):
                assert row[f"{term}{ours}"] == pytest.approx(drop[theirs], abs=1e-9, nan_ok=True)
    for row in rows:
        first = row["drop_pose"], row["drop_both"] - row["drop_boxes"]  # the pose's, lost first and lost second
        assert row["share_pose"] == pytest.approx(np.mean(first), nan_ok=True)
        assert row["share_pose"] + row["share_boxes"] == pytest.approx(row["drop_both"], nan_ok=True)
    assert {row["metric"] for row in rows} == {"PCKh@0.5"}
    assert (rows[0]["matched_clean"], rows[0]["matched_attacked"], rows[0]["missed_attacked"]) == (60, 45, 15)
    assert rows[0]["drop_boxes"] > 10, "persons without a box have nothing right"


def test_the_interaction_has_draws_of_its_own(cells: list[Cell]) -> None:
    """Not put together from the ends of the others' intervals."""
    dataset = cells[0].dataset
    (row, *_) = Splitter(SCORING, cells[0]).rows(WRIST, *cells[1:])
    image = np.searchsorted(dataset.truth.image_ids, dataset.truth.image)
    weights = Weights.draw(30, SCORING.draws, rng=np.random.default_rng(SCORING.seed))
    metric, labelled = METRICS["pckh"], dataset.truth.visibility > 0
    found = []
    for cell in cells:
        poses = by_annotation(cell.dataset, cell.predictions.keypoints)
        lengths = np.asarray(dataset.lengths)
        table = metric.tables(poses, dataset.truth.keypoints, labelled, lengths, dataset.skeleton.keypoints)[0]
        found.append(resample_rates(table, image, weights))
    draws = 100 * (-found[0].draws + found[1].draws + found[2].draws - found[3].draws)
    value = 100 * (-found[0].ap + found[1].ap + found[2].ap - found[3].ap)
    expected = intervals(value, draws, clusters=found[0].images, method="student")
    assert row["interaction"] == pytest.approx(expected.value[0])
    assert (row["interaction_lo"], row["interaction_hi"]) == pytest.approx((expected.lo[0], expected.hi[0]))
    assert row["interaction_lo"] < row["interaction"] < row["interaction_hi"]
    assert row["drop_pose"] + row["drop_boxes"] + row["interaction"] == pytest.approx(row["drop_both"])


def test_without_draws_there_are_terms_and_no_intervals(cells: list[Cell]) -> None:
    rows = Splitter(replace(SCORING, draws=0), cells[0]).rows(WRIST, *cells[1:])
    table = Split().frame(rows)
    assert list(table.columns) == list(Split.columns)[4:]
    assert table[["drop_pose", "drop_boxes", "drop_both", "interaction"]].notna().all(axis=None)
    assert table[[f"{term}_lo" for term in ("drop_pose", "interaction")]].isna().all(axis=None)
