"""The numbers behind the figures, on hand-made runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from occbench.evaluation.intervals import holm
from occbench.reports import load_run
from occbench.reports.findings.dose import Curve, dose_response, first_above
from occbench.reports.findings.matrix import matrix, most_affected
from occbench.reports.findings.overall import clean_figures, mean_drops, overall_drops, worst_targets
from occbench.reports.reading.drops import NO_DROP, Drop, mean_of, minus
from occbench.reports.reading.names import brackets, hiding, listed, number, spoken
from occbench.reports.reading.slices import main_slice

from .fake_run import KEYPOINTS, Cell, default_cells, plain_loss, write_fake_run


@pytest.mark.parametrize(
    ("drop", "clear", "indistinct"),
    [
        (Drop(1.0, 0.2, 1.8), True, False),
        (Drop(1.0, 0.2, 1.8, 0.04), True, False),
        (Drop(1.0, 0.2, 1.8, 0.05), False, True),  # one of many
        (Drop(1.0, -0.2, 2.2, 0.001), False, True),
        (Drop(-1.0, -2.0, 0.0), False, True),
        (Drop(0.0), False, False),
        (NO_DROP, False, False),
    ],
)
def test_what_can_be_told_from_zero(drop: Drop, clear: bool, indistinct: bool) -> None:
    assert (drop.clear, drop.indistinct) == (clear, indistinct)


def test_intervals_of_means_and_differences_take_the_ends() -> None:
    assert mean_of([Drop(1, 0, 3), Drop(3, 2, 4), NO_DROP]) == Drop(2, 1, 3.5)
    assert math.isnan(mean_of([Drop(1, 0, 3), Drop(2)]).low)
    assert math.isnan(mean_of([NO_DROP]).value)
    assert minus(Drop(5, 4, 6), Drop(1, 0, 3), times=2) == Drop(3, -2, 6)


def test_such_an_interval_of_a_mean_is_too_wide_rather_than_too_narrow() -> None:
    """Whatever the correlation: against the quantiles of simulated means."""
    rng = np.random.default_rng(1)
    for correlation in (0.0, 0.5, 0.99):
        cover = np.full((5, 5), correlation) + (1 - correlation) * np.eye(5)
        draws = rng.multivariate_normal(np.zeros(5), cover, 20000)
        ends = np.quantile(draws, [0.025, 0.975], axis=0)
        found = mean_of(Drop(0, low, high) for low, high in ends.T)
        low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
        assert found.low <= low + 0.03
        assert found.high >= high - 0.03


@pytest.mark.parametrize(
    ("value", "text"), [(1.234, "1.23"), (-1.236, "−1.24"), (-0.001, "0.00"), (math.nan, "–"), (12.0, "12.00")]
)
def test_number(value: float, text: str) -> None:
    assert number(value, 2) == text


def test_words() -> None:
    assert brackets(-1.04, math.nan) == ""
    assert brackets(-1.04, 2) == "[−1.0, 2.0]"
    assert hiding("meanout", "left_ankle") == "Painting the left ankle over in the mean colour"
    assert hiding("{0}", "x") == "Hiding the x (0)"
    assert spoken("left_ankle") == "the left ankle"
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


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


def test_p_is_corrected_by_question(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, intervals=True))
    part = main_slice(run, "keypoint")
    assert part is not None
    assert part.overall["p_family"].tolist() == holm(part.overall["p"].to_numpy()).tolist()
    own = part.single["target"] == part.single["keypoint"]
    assert (own.sum(), len(own)) == (4, 28)
    for rows in (part.single[own], part.single[~own]):
        assert rows["p_family"].tolist() == holm(rows["p"].to_numpy()).tolist()


def test_overall_means_and_worst(tmp_path: Path) -> None:
    drops = {"nose": 4.0, "left_hip": -1.0, "right_hip": None}
    cells: list[Cell] = [("keypoint", f, t, 6.0, "centred") for t in drops for f in ("blur", "blackout")]

    def loss(cell: Cell, keypoint: str) -> float | None:
        return None if drops[cell[2]] is None else (drops[cell[2]] or 0) * (2 if cell[1] == "blackout" else 1)

    run = load_run(write_fake_run(tmp_path, cells=cells, loss=loss, intervals=True))
    part = main_slice(run, "keypoint")
    assert part is not None
    table = overall_drops(part)
    assert [row.target for row in table] == ["nose", "left_hip", "right_hip"]
    assert [(t, f, d.value) for t, f, d in worst_targets(table)] == [
        ("nose", "blackout", 8.0),
        ("left_hip", "blur", -1.0),
    ]
    assert [(m.fill, m.mean.value, m.mean.low, m.n_targets) for m in mean_drops(run)] == [
        ("blackout", 3.0, 2.0, 2),
        ("blur", 1.5, 0.5, 2),
    ]


def test_matrix(tmp_path: Path) -> None:
    cells = [*default_cells(), ("part", "meanout", "hip", 6.0, "centred")]
    run = load_run(write_fake_run(tmp_path, cells=cells))  # type: ignore[arg-type]
    part = main_slice(run, "part")
    assert part is not None
    found = matrix(run, part, "blackout")
    assert found.keypoints == tuple(KEYPOINTS)
    assert [row.target for row in found.rows] == ["corpus", "hip"]
    hip: Cell = ("part", "blackout", "hip", 6.0, "centred")
    row = found.rows[1]
    assert row.drops["nose"].value == pytest.approx(plain_loss(hip, "nose"))
    assert row.overall.value == pytest.approx(plain_loss(hip, "all"))
    assert row.own_loss.value == pytest.approx((plain_loss(hip, "left_hip") + plain_loss(hip, "right_hip")) / 2)
    assert [row.target for row in matrix(run, part, "meanout").rows] == ["hip"]  # corpus was not so attacked


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


def test_p_of_what_remains_is_corrected_over_the_slice(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, cells=[("part", "blackout", "corpus", 6.0, "centred")]))
    part = main_slice(run, "part")
    assert part is not None
    rows = part.single
    p = np.where(rows["drop_remaining"].notna(), 0.04, np.nan)
    given = {"drop_remaining_lo": rows["drop_remaining"] - 1, "drop_remaining_hi": rows["drop_remaining"] + 1}
    (panel,) = most_affected(run, replace(part, single=rows.assign(p_remaining=p, **given)))
    family = int(np.isfinite(p).sum())
    assert family > 1
    assert [one.drops["blackout"].p for one in panel.keypoints] == pytest.approx([0.04 * family] * len(panel.keypoints))


def test_dose_mean_is_over_targets_measured_at_every_radius(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", t, r, "centred") for t in ("nose", "left_hip") for r in (6.0, 12.0)]
    cells.append(("keypoint", "blur", "right_hip", 12.0, "centred"))
    drops = {"nose": {6.0: 1.0, 12.0: 3.0}, "left_hip": {6.0: 2.0, 12.0: 6.0}, "right_hip": {12.0: 100.0}}
    run = load_run(write_fake_run(tmp_path, cells=cells, loss=lambda c, _: drops[c[2]][c[3]], extras=True))
    dose = dose_response(run, "keypoint")
    assert dose is not None
    (curve,) = dose.means
    assert (curve.radii, [d.value for d in curve.drops], dose.n_in_mean) == ((6.0, 12.0), [1.5, 4.5], {"blur": 2})
    assert [c.target for c in dose.curves] == ["nose", "left_hip"]  # one size is no curve
    assert (dose.torso, dose.n_torso) == (64.0, 3)
    assert dose_response(run, "part") is None


def test_area_and_critical_radius_with_intervals() -> None:
    curve = Curve("nose", "blur", (6.0, 9.0, 12.0), (Drop(0, -1, 1), Drop(2, 1, 3), Drop(8, 7, 9)))
    assert curve.area == Drop(3 * 1 + 3 * 5, 3 * 0 + 3 * 4, 3 * 2 + 3 * 6)
    one, five, ten = (curve.critical(t) for t in (1, 5, 10))
    assert (one.value, one.low, one.high) == (7.5, 6.0, 9.0)
    assert (five.value, five.low, five.high) == (10.5, 10.0, 11.0)
    assert (ten.value, ten.low, ten.high) == (math.inf, math.inf, math.inf)


@pytest.mark.parametrize(
    ("drops", "radius"),
    [
        ([3, 4], 6.0),  # already at the smallest: that or less
        ([1, 3], 8.0),
        ([2, 1, 4], 12 + 6 / 3),  # falls first
        ([0, 2, 2], math.inf),  # reaches it, does not exceed it
        ([0, math.nan, 9], math.nan),
    ],
)
def test_first_above(drops: list[float], radius: float) -> None:
    found = first_above([6.0 + 6 * i for i in range(len(drops))] if len(drops) != 2 else [6.0, 10.0], drops, 2)
    assert found == pytest.approx(radius, nan_ok=True)
