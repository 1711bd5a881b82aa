"""controls.csv of a run: the figures of cells.csv, and intervals paired by photo."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from occbench.attacks import Attack, Placement
from occbench.data.persons import Dataset
from occbench.evaluation.bootstrap import Resampled, Weights, compare, prepare, resample
from occbench.evaluation.cells import cell_masks, evaluate_cell
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import to_detections
from occbench.tables.controls import Controls
from occbench.tables.rows import Row
from occbench.tables.scoring import Scoring

from .made import made_run
from .test_natural import AREA, cell, coco, noise_of

WORSE = {"centred": 0.5, "jittered": 0.7, "decoys:6": 2.0, "decoys:2": 1.5, "placebo": 0.8}
"""How much the hidden keypoint is shaken under each placement."""
SCORING = Scoring(draws=60, seed=3)


def attack(target: str, placement: str, level: str = "keypoint") -> Attack:
    return Attack(level, "blackout", target, 6.0, Placement.parse(placement))  # type: ignore[arg-type]


def figures(
    data: Dataset, placements: list[str], level: str = "keypoint", targets: tuple[str, ...] = ("left_hip",)
) -> tuple[list[Row], dict[Attack | None, CellPredictions]]:
    """The rows, and the cells that they are of."""
    noise = noise_of(data)
    cells: dict[Attack | None, CellPredictions] = {None: cell(data, noise, None, None, 0)}
    for target in targets:
        for placement in placements:
            which = attack(target, placement, level)
            hidden = data.skeleton.indices(level, target)[0]
            cells[which] = cell(data, noise, which, hidden, WORSE[placement])
    run = made_run(data, SCORING, cells, AREA)
    return Controls().rows(run) if Controls().applies(run) else [], cells


def ap_of(data: Dataset, found: CellPredictions, keypoint: int) -> float:
    areas = np.full(len(data.persons), AREA)
    detections = to_detections(data, found.keypoints, found.scores, areas)
    return 100 * evaluate_cell(data.truth, detections, data.sigmas, "corrected")[keypoint].exact


def test_effects_are_differences_of_own_figures() -> None:
    data = coco()
    rows, cells = figures(data, ["centred", "jittered", "decoys:6", "decoys:2", "placebo"])
    assert [(row["target"], row["placement"]) for row in rows] == [
        ("left_hip", "decoys:6"),
        ("left_hip", "decoys:2"),
        ("all", "decoys:6"),
        ("all", "decoys:2"),
    ]
    k = data.skeleton.keypoints.index("left_hip")
    own = {str(a.placement) if a else "clean": ap_of(data, found, k) for a, found in cells.items()}
    for row, n in zip(rows[:2], (6, 2), strict=True):
        decoys = own[f"decoys:{n}"]
        assert row["marker"] == pytest.approx(own["centred"] - decoys)
        assert row["gain"] == pytest.approx(own["centred"] - own["clean"])
        assert row["placebo"] == pytest.approx(own["clean"] - own["placebo"])
        assert row["corrected"] == pytest.approx(own["clean"] - decoys - n * (own["clean"] - own["placebo"]))


def test_intervals_are_those_of_the_paired_comparison() -> None:
    data = coco()
    rows, cells = figures(data, ["centred", "decoys:6"])
    k = data.skeleton.keypoints.index("left_hip")
    weights = Weights.draw(len(data.truth.image_ids), 60, rng=np.random.default_rng(3))
    masks = {k: cell_masks(len(data.truth), len(data.sigmas))[k]}

    def resampled(which: Attack | None) -> Resampled:
        found, areas = cells[which], np.full(len(data.persons), AREA)
        detections = to_detections(data, found.keypoints, found.scores, areas)
        return resample(prepare(data.truth, detections, data.sigmas, "corrected", masks), weights)

    centred, decoys = attack("left_hip", "centred"), attack("left_hip", "decoys:6")
    (slow,) = compare(resampled(centred), resampled(decoys))
    assert (rows[0]["marker_lo"], rows[0]["marker_hi"]) == pytest.approx((slow.drop_lo, slow.drop_hi), abs=0.05)
    (gain,) = compare(resampled(centred), resampled(None))
    assert (rows[0]["gain_lo"], rows[0]["gain_hi"]) == pytest.approx((gain.drop_lo, gain.drop_hi), abs=0.05)
    assert math.isnan(rows[0]["placebo"])


def test_the_mean_is_over_the_targets() -> None:
    rows, _ = figures(coco(), ["centred", "decoys:6"], targets=("left_hip", "nose", "right_knee"))
    single, mean = rows[:3], rows[3]
    assert (mean["target"], mean["n_targets"]) == ("all", 3)
    assert mean["marker"] == pytest.approx(np.mean([row["marker"] for row in single]))
    width = [row["marker_hi"] - row["marker_lo"] for row in rows]
    assert 0 < width[3] < max(width[:3])


def test_a_part_has_the_mean_of_its_keypoints() -> None:
    data = coco()
    rows, cells = figures(data, ["centred", "decoys:2"], level="part", targets=("hip",))
    ids = data.skeleton.indices("part", "hip")
    own = {str(a.placement): np.mean([ap_of(data, cells[a], k) for k in ids]) for a in cells if a is not None}
    assert rows[0]["marker"] == pytest.approx(own["centred"] - own["decoys:2"])


def test_without_draws_there_are_no_intervals_and_without_decoys_no_rows() -> None:
    data = coco()
    assert figures(data, ["centred", "placebo"])[0] == []
    assert figures(data, ["decoys:6", "placebo"])[0] == []
    cells = figures(data, ["centred", "decoys:6"])[1]
    table = Controls().of(made_run(data, Scoring(draws=0), cells, AREA))
    assert np.isfinite(table["marker"][0])
    assert math.isnan(table["marker_lo"][0])
    assert list(table.columns) == list(Controls.columns)


def test_few_persons_have_no_intervals() -> None:
    data = coco()
    few = data.truth.visibility.copy()
    k = data.skeleton.keypoints.index("left_hip")
    few[9:, k] = 0
    rows, _ = figures(replace(data, truth=replace(data.truth, visibility=few)), ["centred", "decoys:6"])
    assert math.isnan(rows[0]["marker_lo"])
