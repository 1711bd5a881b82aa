"""The tables behind the figures, on hand-made numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from occbench.reports import load_run
from occbench.reports.controls import control_rows, mean_marker_effect
from occbench.reports.html import number, run_labels
from occbench.reports.tables import Drop, clean_figures, main_slice, mean_drops, most_affected, radius_curves

from .fake_run import KEYPOINTS, Cell, plain_loss, write_fake_run


@pytest.mark.parametrize(
    ("drop", "indistinct"),
    [(Drop(1.0, 0.2, 1.8), False), (Drop(1.0, -0.2, 2.2), True), (Drop(-1.0, -2.0, 0.0), True), (Drop(0.0), False)],
)
def test_indistinct_means_that_the_interval_contains_zero(drop: Drop, indistinct: bool) -> None:
    assert drop.indistinct is indistinct


@pytest.mark.parametrize(
    ("value", "text"), [(1.234, "1.23"), (-1.236, "−1.24"), (-0.001, "0.00"), (math.nan, "–"), (12.0, "12.00")]
)
def test_number(value: float, text: str) -> None:
    assert number(value, 2) == text


@pytest.mark.parametrize("name", ["AP@0.5", "AP50", "AP .5", "AP@.50"])
def test_published_names_of_one_figure(tmp_path: Path, name: str) -> None:
    run = load_run(write_fake_run(tmp_path, changes={"model.published": {name: 90.4, "AP (M)": 0.7, "PCK": 0.9}}))
    figures = {f.name: f.published for f in clean_figures(run)}
    assert figures["AP50"] == pytest.approx(0.904)
    assert figures["AP(M)"] == 0.7
    assert math.isnan(figures["AP"])


def test_main_slice_prefers_centred_and_the_protocols_radius(tmp_path: Path) -> None:
    cells: list[Cell] = [
        ("keypoint", "blur", "nose", r, p) for r in (3.0, 6.0, 9.0) for p in ("placebo", "centred", "jittered")
    ]
    part = main_slice(load_run(write_fake_run(tmp_path, cells=cells)), "keypoint")
    assert part is not None
    assert (part.radius, part.placement, part.radii) == (6.0, "centred", (3.0, 6.0, 9.0))


def test_main_slice_falls_back_to_what_there_is(tmp_path: Path) -> None:
    cells: list[Cell] = [("part", "blur", "hip", r, "decoys:6") for r in (12.0, 9.0)]
    run = load_run(write_fake_run(tmp_path, cells=cells))
    part = main_slice(run, "part")
    assert part is not None
    assert (part.radius, part.placement) == (9.0, "decoys:6")
    assert main_slice(run, "keypoint") is None


def test_most_affected_keypoints_of_a_keypoint_attack(tmp_path: Path) -> None:
    losses = dict(zip(KEYPOINTS, [1.0, -6.0, 2.0, 5.0, 3.0, 4.0, 0.5], strict=True))
    cells: list[Cell] = [("keypoint", f, "nose", 6.0, "centred") for f in ("blackout", "blur")]

    def loss(cell: Cell, keypoint: str) -> float:  # the blur only halves, so the order is that of |losses|
        return losses.get(keypoint, 1.0) * (0.5 if cell[1] == "blur" else 1)

    run = load_run(write_fake_run(tmp_path, cells=cells, loss=loss))
    part = main_slice(run, "keypoint")
    assert part is not None
    (panel,) = most_affected(run, part)
    names = [k.keypoint for k in panel.keypoints]
    assert names == ["left_shoulder", "left_hip", "left_ankle", "right_hip", "right_shoulder"]
    assert [k.drops["blur"].value for k in panel.keypoints] == [-3.0, 2.5, 2.0, 1.5, 1.0]
    assert not any(k.own for k in panel.keypoints)
    assert panel.n_attacked == 21


def test_most_affected_of_a_part_attack_are_remaining_ones(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, cells=[("part", "blackout", "corpus", 6.0, "centred")]))
    part = main_slice(run, "part")
    assert part is not None
    (panel,) = most_affected(run, part)
    assert {k.keypoint for k in panel.keypoints} == {"nose", "left_ankle", "right_ankle"}
    nose = next(k for k in panel.keypoints if k.keypoint == "nose")
    expected = plain_loss(("part", "blackout", "corpus", 6.0, "centred"), "nose") / 2
    assert nose.drops["blackout"].value == pytest.approx(expected)
    assert nose.n == 11


def test_radius_mean_is_over_targets_measured_at_every_radius(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", t, r, "centred") for t in ("nose", "left_hip") for r in (6.0, 12.0)]
    cells.append(("keypoint", "blur", "right_hip", 12.0, "centred"))
    drops = {"nose": {6.0: 1.0, 12.0: 3.0}, "left_hip": {6.0: 2.0, 12.0: 6.0}, "right_hip": {12.0: 100.0}}
    run = load_run(write_fake_run(tmp_path, cells=cells, loss=lambda c, _: drops[c[2]][c[3]]))
    (curve,) = radius_curves(run, "keypoint")
    assert (curve.radii, curve.mean, curve.n_in_mean) == ((6.0, 12.0), (1.5, 4.5), 2)
    assert curve.targets["nose"] == (1.0, 3.0)
    assert math.isnan(curve.targets["right_hip"][0])
    assert radius_curves(run, "part") == []


def test_mean_drops(tmp_path: Path) -> None:
    drops = {"nose": 4.0, "left_hip": -1.0, "right_hip": None}
    cells: list[Cell] = [("keypoint", "blur", t, 6.0, "centred") for t in drops]
    (mean,) = mean_drops(load_run(write_fake_run(tmp_path, cells=cells, loss=lambda c, _: drops[c[2]])))
    assert (mean.mean, mean.n_targets, mean.worst, mean.worst_target) == (1.5, 2, 4.0, "nose")


def test_part_controls_are_means_over_the_parts_keypoints(tmp_path: Path) -> None:
    losses = {("centred", "left_hip"): 2.0, ("centred", "right_hip"): 4.0}
    losses |= {("decoys:2", "left_hip"): 6.0, ("decoys:2", "right_hip"): 10.0}
    losses |= {("placebo", "left_hip"): 1.0, ("placebo", "right_hip"): 3.0}
    cells: list[Cell] = [("part", "blur", "hip", 6.0, p) for p in ("centred", "decoys:2", "placebo")]
    run = load_run(write_fake_run(tmp_path, cells=cells, loss=lambda c, k: losses.get((c[4], k), 0.0)))
    (row,) = control_rows(run, "part")
    assert row.marker_effect["decoys:2"] == pytest.approx(8 - 3)
    assert row.placebo_loss == pytest.approx(2)
    assert row.corrected_loss["decoys:2"] == pytest.approx(8 - 2 * 2)
    (effect,) = mean_marker_effect([row]).to_dict("records")
    assert (effect["n"], effect["n_positive"], effect["fill"]) == (1, 1, "blur")


def test_controls_without_placebo_have_no_corrected_loss(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", "nose", 6.0, p) for p in ("centred", "decoys:6")]
    (row,) = control_rows(load_run(write_fake_run(tmp_path, cells=cells)), "keypoint")
    assert math.isnan(row.placebo_loss)
    assert math.isnan(row.corrected_loss["decoys:6"])
    assert row.marker_effect["decoys:6"] == pytest.approx(0)


def test_labels_tell_runs_apart(tmp_path: Path) -> None:
    changes = [{}, {"protocol": "thesis"}, {"model.name": "other"}]
    runs = [load_run(write_fake_run(tmp_path / str(i), changes=c)) for i, c in enumerate(changes)]
    assert run_labels(runs) == ["tiny, corrected", "tiny, thesis", "other"]
    assert run_labels([runs[0], runs[0]]) == ["tiny (1)", "tiny (2)"]
