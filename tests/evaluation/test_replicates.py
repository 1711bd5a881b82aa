"""Intervals over photos and seeds at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from occbench.evaluation.replicates import over_replicates


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
    freedom = (photos + seeds) ** 2 / (photos**2 / 10 + seeds**2 / 2)
    assert found.hi - found.value == pytest.approx(stats.t.ppf(0.975, freedom) * found.se)
    assert found.value - found.lo == pytest.approx(found.hi - found.value)


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
