"""Drops with paired intervals, end to end on small populations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.evaluation.bootstrap import Resampled, Weights, ap_intervals, compare, prepare, resample
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.resampling import weighted_area
from occbench.evaluation.types import Detections, GroundTruth

from .worlds import SIGMAS, population, predictions


@pytest.fixture(scope="module")
def world() -> tuple[GroundTruth, Detections, Detections, Weights]:
    """Persons, clean predictions, and predictions that lost the nose (keypoint 0) and nothing else."""
    rng = np.random.default_rng(0)
    truth = population(rng, images=60, persons=150)
    clean = predictions(rng, truth)
    clean = clean.some(clean.owner >= 0)  # nobody's predictions are ignored or not by all of their keypoints
    keypoints = clean.keypoints.copy()
    keypoints[:, 0] += rng.normal(size=(len(clean), 2)) * 15
    return truth, clean, replace(clean, keypoints=keypoints), Weights.draw(60, 300, rng=rng)


@pytest.fixture(scope="module")
def cells(world) -> tuple[Resampled, Resampled]:  # type: ignore[no-untyped-def]
    truth, clean, attacked, weights = world
    return tuple(resample(prepare(truth, d, SIGMAS), weights) for d in (clean, attacked))  # type: ignore[return-value]


def test_a_real_loss_excludes_zero_and_no_change_does_not(cells: tuple[Resampled, Resampled]) -> None:
    found = compare(*cells)
    everything, nose, eye = found[:3]
    assert (everything.key, nose.key, eye.key) == (None, 0, 1)
    assert nose.drop_lo > 0
    assert nose.p < 1e-3
    assert nose.drop_grid == pytest.approx(nose.clean - nose.attacked)
    assert abs(nose.drop - nose.drop_grid) < 1
    assert nose.photos > 30
    assert nose.drop_lo < nose.drop < nose.drop_hi
    # Not even where a miss lies in the box of a person without the eye: there COCO would look at the nose, too.
    assert (eye.drop, eye.drop_grid, eye.photos) == (0, 0, 0)
    assert np.isnan([eye.drop_lo, eye.drop_hi, eye.drop_se, eye.p]).all()  # nothing changed: nothing to tell chance by


def test_figures_and_draws_are_those_of_the_cell(world, cells) -> None:  # type: ignore[no-untyped-def]
    truth, clean, _, weights = world
    prepared = prepare(truth, clean, SIGMAS)
    assert prepared.figures == evaluate_cell(truth, clean, SIGMAS)
    exact = weighted_area(prepared.matches, weights.draws[:20])
    np.testing.assert_allclose(cells[0].draws[:20], exact, atol=2e-6)
    assert cells[0].draws.shape == (300, 18)
    assert cells[0].leave_out.shape == (60, 18)


def test_pairing_makes_intervals_narrower(cells: tuple[Resampled, Resampled]) -> None:
    """The same images in both cells: the spread they share cancels out of the drop."""
    clean, attacked = cells
    paired = compare(clean, attacked)[0].drop_se
    apart = 100 * np.hypot(clean.draws[:, 0].std(), attacked.draws[:, 0].std())
    assert paired < 0.7 * apart


def test_cells_exchanged_mirror_the_drop_and_its_interval(cells: tuple[Resampled, Resampled]) -> None:
    found, mirrored = (compare(*order) for order in (cells, cells[::-1]))
    for one, other in zip(found, mirrored, strict=True):
        assert (one.drop, one.drop_lo, one.drop_hi) == pytest.approx(
            (-other.drop, -other.drop_hi, -other.drop_lo), nan_ok=True
        )
        assert (one.drop_se, one.p, one.photos) == pytest.approx((other.drop_se, other.p, other.photos), nan_ok=True)
    assert any(one.drop_hi - one.drop > 1.05 * (one.drop - one.drop_lo) for one in found)


def test_intervals_of_a_cell(cells: tuple[Resampled, Resampled]) -> None:
    found = ap_intervals(cells[0])
    assert (found.lo < found.value).all()
    assert (found.value < found.hi).all()
    bca = ap_intervals(cells[0], method="bca")
    assert (bca.lo != found.lo).any()
    # As many images as hold a person that counts widen the interval beyond the plain quantiles, a little.
    assert (cells[0].images[1:] < 60).all()
    plain = np.quantile(cells[0].draws, 0.025, axis=0) + cells[0].ap - cells[0].exact
    assert (found.lo <= plain).all()
    assert (plain - found.lo < 0.2 * (found.hi - found.lo)).all()


def test_too_few_persons_have_no_interval() -> None:
    rng = np.random.default_rng(1)
    truth = population(rng, images=30, persons=40)
    visibility = truth.visibility.copy()
    visibility[9:, 5] = 0
    visibility[10:, 6], visibility[:10, 6] = 0, 2
    truth = replace(truth, visibility=visibility)
    clean, attacked = predictions(rng, truth), predictions(rng, truth)
    weights = Weights.draw(30, 200, rng=rng)
    cells = [resample(prepare(truth, d, SIGMAS), weights) for d in (clean, attacked)]
    nine, ten = compare(*cells)[6:8]
    assert nine.n < 10
    assert np.isfinite(nine.drop)
    assert np.isnan([nine.drop_lo, nine.drop_hi, nine.drop_se, nine.p]).all()
    assert np.isnan(ap_intervals(cells[0]).lo[6])
    assert ten.n == 10
    assert np.isfinite([ten.drop_lo, ten.drop_hi, ten.p]).all()


def test_only_cells_of_the_same_draws_and_persons_are_compared(world, cells) -> None:  # type: ignore[no-untyped-def]
    truth, clean, _, weights = world
    other = resample(prepare(truth, clean, SIGMAS), Weights.draw(60, 300, rng=np.random.default_rng(7)))
    with pytest.raises(ValueError, match="different draws"):
        compare(cells[0], other)
    some = resample(prepare(truth, clean, SIGMAS, masks={None: None}), weights)
    with pytest.raises(ValueError, match="same persons"):
        compare(cells[0], some)
    with pytest.raises(ValueError, match="weights are for 59 images"):
        resample(prepare(truth, clean, SIGMAS), Weights.draw(59, 10, rng=np.random.default_rng(7)))
    with pytest.raises(ValueError, match="protocol must be one of"):
        prepare(truth, clean, SIGMAS, "fair")  # type: ignore[arg-type]
