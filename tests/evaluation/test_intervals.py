"""Intervals and corrections against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from occbench.evaluation.intervals import LEAST_P, distinguishable, holm, intervals


@pytest.mark.parametrize(("method", "theirs"), [("bca", "BCa"), ("percentile", "percentile")])
def test_intervals_are_scipys_from_the_same_draws(method: str, theirs: str) -> None:
    """The mean of a skewed sample, where BCa and percentile differ."""
    sample = np.random.default_rng(0).lognormal(size=40)
    found = stats.bootstrap((sample,), np.mean, n_resamples=2000, method=theirs, random_state=np.random.default_rng(1))
    leave_out = np.array([np.delete(sample, i).mean() for i in range(40)])
    draws = found.bootstrap_distribution
    ours = intervals(np.array([sample.mean()]), draws[:, None], leave_out[:, None], method=method)
    assert (ours.lo[0], ours.hi[0]) == pytest.approx(found.confidence_interval, rel=1e-6)
    assert ours.se[0] == pytest.approx(found.standard_error)


def test_bca_is_not_the_percentile_interval_where_draws_are_skewed() -> None:
    rng = np.random.default_rng(2)
    draws, leave_out = rng.lognormal(size=(1000, 1)), rng.lognormal(size=(50, 1))
    a, b = (intervals(np.array([1.5]), draws, leave_out, method=m) for m in ("bca", "percentile"))
    assert a.hi[0] > b.hi[0] * 1.1


def test_few_images_widen_by_students_t() -> None:
    """With normal draws of spread sqrt((m - 1) / m) the interval is Student's for the mean of m."""
    grid = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)[:, None]
    for m in (8, 30):
        found = intervals(np.array([2.0]), 2 + grid * np.sqrt((m - 1) / m), clusters=np.array([m]))
        assert found.hi[0] == pytest.approx(2 + stats.t.ppf(0.975, m - 1), abs=2e-3)
        assert found.se[0] == pytest.approx(1, abs=1e-3)
        assert found.p[0] == pytest.approx(2 * stats.t.sf(2, m - 1), rel=1e-2)


def test_p_is_that_of_the_normal_distribution() -> None:
    draws = np.random.default_rng(3).normal(2, 1, (4000, 2))
    found = intervals(np.array([2.0, 0.0]), draws, method="percentile")
    assert found.p[0] == pytest.approx(0.0455, abs=0.01)
    assert found.p[1] == 1


def test_no_difference_at_all_is_p_one_and_an_interval_of_width_nothing() -> None:
    found = intervals(np.zeros(1), np.zeros((100, 1)), np.zeros((10, 1)), method="bca")
    assert (found.lo[0], found.hi[0], found.se[0], found.p[0]) == (0, 0, 0, 1)


def test_what_is_no_number_has_no_interval() -> None:
    draws = np.random.default_rng(4).normal(size=(200, 3))
    draws[:20, 1] = np.nan  # a tenth of the draws had nothing to estimate from
    draws[:5, 2] = np.nan
    found = intervals(np.array([np.nan, 0.1, 0.1]), draws, draws[:50])
    assert np.isnan(found.lo).tolist() == [True, True, False]
    assert np.isnan(found.p).tolist() == [True, True, False]


@pytest.mark.parametrize(("method", "leave_out"), [("guess", np.zeros((3, 1))), ("bca", None)])
def test_unknown_method_or_missing_jackknife(method: str, leave_out: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"method must be|needs the jackknife"):
        intervals(np.zeros(1), np.zeros((9, 1)), leave_out, method=method)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        pytest.param([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], id="the textbook's four"),
        pytest.param([0.5, 0.9], [1.0, 1.0], id="never above one"),
        pytest.param([0.02, np.nan, 0.01], [0.02, np.nan, 0.02], id="NaN is no member"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_holm(p: list[float], corrected: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), corrected)


def test_holm_of_a_table() -> None:
    p = np.array([[0.01, 0.04], [0.03, 0.005]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [0.06, 0.02]])


def test_student_moves_the_end_on_the_long_side_alone() -> None:
    """Slow, by scipy: t with the bootstrap's standard error, and Johnson's shift, outwards."""
    draws = np.random.default_rng(11).gamma(2, size=(4000, 1))
    se = draws.std(ddof=1) * np.sqrt(30 / 29)
    t = stats.t.ppf(0.975, 11)
    shift = stats.skew(draws[:, 0]) * (1 / 6 + t**2 / 3)
    assert shift > 1
    for sign, expected in ((1, (1.7 - t * se, 1.7 + (t + shift) * se)), (-1, (-1.7 - (t + shift) * se, -1.7 + t * se))):
        found = intervals(
            np.array([sign * 1.7]), sign * draws, clusters=np.array([30]), method="student", changed=np.array([12])
        )
        assert (found.lo[0], found.hi[0]) == pytest.approx(expected)


def test_an_interval_that_excludes_nothing_to_find_has_a_small_p() -> None:
    rng = np.random.default_rng(13)
    draws = rng.normal(size=(300, 500)) * rng.uniform(0.1, 3, 500) + rng.gamma(0.5, size=(300, 500))
    value = rng.normal(0, 4, 500)
    found = intervals(value, draws, clusters=np.full(500, 80), method="student", changed=rng.integers(6, 80, 500))
    excludes = (found.lo > 0) | (found.hi < 0)
    assert 100 < np.count_nonzero(excludes) < 400
    assert (found.p[excludes] < 0.05).all()
    assert (excludes == (found.p < 0.05)).mean() > 0.8


def test_photos_that_all_change_the_same_way_are_told_from_chance_by_p_too() -> None:
    """No draw of six photos that all lose goes to 0, but six of one sign come in one case of 32."""
    rng = np.random.default_rng(12)
    loss = np.zeros(100)
    loss[:6] = 1.0
    draws = np.stack([loss[rng.integers(0, 100, 100)].sum() for _ in range(2000)])[:, None]
    for photos, least in ((6, 1 / 32), (8, 1 / 128), (500, LEAST_P)):
        found = intervals(
            np.array([60.0]), draws, clusters=np.array([500]), method="student", changed=np.array([photos])
        )
        assert found.p[0] == pytest.approx(least)
    assert np.isnan(intervals(np.array([60.0]), draws, changed=np.array([5])).p).all()


@pytest.mark.parametrize(
    ("low", "high", "p", "told"),
    [(1, 2, 0.01, True), (-2, -1, 0.01, True), (-1, 2, 0.01, False), (1, 2, 0.06, False), (np.nan, 2, 0.01, False)],
)
def test_what_can_be_told_from_chance(low: float, high: float, p: float, told: bool) -> None:
    assert bool(distinguishable(low, high, p)) is told
