"""Intervals over photos and seeds at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from occbench.evaluation.replicates import between_replicates, over_replicates


def crossed(
    rng: np.random.Generator, photos: int, seeds: int, by_photo: float, by_seed: float, draws: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """A quantity whose truth is 0: a part of every photo, a part of every seed, and noise of both together."""
    table = by_photo * rng.normal(size=(photos, 1)) + by_seed * rng.normal(size=(1, seeds))
    table = table + 0.1 * rng.normal(size=(photos, seeds))
    times = rng.multinomial(photos, np.full(photos, 1 / photos), size=draws)
    return table.mean(0), times @ table / photos


@pytest.mark.parametrize(("by_photo", "by_seed"), [(1.0, 0.0), (1.0, 0.1), (1.0, 0.5), (0.1, 1.0)])
def test_the_interval_covers_the_truth(by_photo: float, by_seed: float) -> None:
    rng = np.random.default_rng(7)
    found = [over_replicates(*crossed(rng, 50, 3, by_photo, by_seed), images=50) for _ in range(400)]
    covered = np.mean([one.lo <= 0 <= one.hi for one in found])
    assert 0.91 <= covered <= 0.995, covered


def test_photos_alone_would_not_cover_it() -> None:
    """The case against: what the seeds bring is not seen by a bootstrap of the photos."""
    rng = np.random.default_rng(7)
    found = [over_replicates(*crossed(rng, 50, 3, 0.5, 0.5), images=50) for _ in range(200)]
    covered = np.mean([abs(one.value) <= 1.96 * one.se_photos for one in found])
    assert covered < 0.6


def test_both_shares_by_hand() -> None:
    values, draws = np.array([1.0, 2.0, 6.0]), np.array([[0.0, 2, 4], [2, 2, 8], [1, 3, 5], [1, 1, 7]])
    found = over_replicates(values, draws, images=11)
    means = [2.0, 4.0, 3.0, 3.0]
    photos, seeds = np.var(means, ddof=1) * 1.1, np.var(values, ddof=1) / 3
    assert found.value == 3
    assert found.se_photos == pytest.approx(photos**0.5)
    assert found.se_replicates == pytest.approx(seeds**0.5)
    assert found.se == pytest.approx((photos + seeds) ** 0.5)
    half = (stats.t.ppf(0.975, 10) ** 2 * photos + stats.t.ppf(0.975, 2) ** 2 * seeds) ** 0.5
    assert found.hi - found.value == pytest.approx(half)
    assert found.value - found.lo == pytest.approx(found.hi - found.value)


def test_p_is_the_level_at_which_the_interval_ends_at_zero() -> None:
    values, draws = crossed(np.random.default_rng(1), 40, 3, 1.0, 0.3)
    found = over_replicates(values + 0.5, draws + 0.5, images=40)
    again = over_replicates(values + 0.5, draws + 0.5, images=40, level=1 - found.p)
    assert min(abs(again.lo), abs(again.hi)) == pytest.approx(0, abs=1e-6)
    assert 1e-6 < found.p < 1
    sure = over_replicates(values * 1e-3 + 50, draws * 1e-3 + 50, images=40)
    assert sure.p < 1e-4


def test_two_seeds_cover_where_one_t_for_the_sum_does_not() -> None:
    """With two seeds the old rule, Satterthwaite's degrees of freedom for the sum, covers too little."""
    rng = np.random.default_rng(5)
    new, old = [], []
    for _ in range(1500):
        values, draws = crossed(rng, 40, 2, 1.0, 0.16, draws=100)
        one = over_replicates(values, draws, images=40)
        photos, seeds = one.se_photos**2, one.se_replicates**2
        freedom = (photos + seeds) ** 2 / (photos**2 / 39 + seeds**2)
        new.append(one.lo <= 0 <= one.hi)
        old.append(abs(one.value) <= stats.t.ppf(0.975, freedom) * one.se)
    assert np.mean(new) >= 0.94
    assert np.mean(new) > np.mean(old) + 0.01


def test_sides_without_shared_seeds() -> None:
    rng = np.random.default_rng(3)
    values, draws = crossed(rng, 40, 3, 1.0, 0.3)
    base, base_draws = values[:2] - 1, draws[:, :2] - 1
    found = between_replicates(values, draws, base, base_draws, images=40)
    assert found.value == pytest.approx(values.mean() - base.mean())
    shares = [values.var(ddof=1) / 3, base.var(ddof=1) / 2]
    assert found.se_replicates == pytest.approx(sum(shares) ** 0.5)
    photos = found.se_photos**2
    t2 = [stats.t.ppf(0.975, freedom) ** 2 for freedom in (39, 2, 1)]
    assert found.hi - found.value == pytest.approx(np.dot(t2, [photos, *shares]) ** 0.5)
    alone = between_replicates(values, draws, base[:1], base_draws[:, :1], images=40)
    assert alone.se_replicates == pytest.approx(shares[0] ** 0.5)


def test_one_replicate_has_the_photos_interval() -> None:
    draws = np.random.default_rng(0).normal(size=(100, 1))
    found = over_replicates(np.array([0.5]), draws, images=20)
    assert np.isnan(found.se_replicates)
    assert found.se == pytest.approx(draws.std(ddof=1) * (1 + 1 / 19) ** 0.5)
    assert found.hi - 0.5 == pytest.approx(stats.t.ppf(0.975, 19) * found.se)


def test_what_is_not_measurable_has_no_interval() -> None:
    nothing = over_replicates(np.array([np.nan, 1.0]), np.zeros((10, 2)), images=5)
    assert np.isnan([nothing.value, nothing.lo, nothing.hi, nothing.se]).all()
    undefined = np.where(np.arange(10)[:, None] < 2, np.nan, np.zeros((10, 2)))
    assert np.isnan(over_replicates(np.array([1.0, 1.0]), undefined, images=5).lo)
    same = over_replicates(np.ones(3), np.ones((10, 3)), images=5)
    assert (same.lo, same.value, same.hi) == (1, 1, 1)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(2,\) and \(10, 3\)"):
        over_replicates(np.ones(2), np.ones((10, 3)), images=5)
