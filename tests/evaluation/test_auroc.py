"""The area under the ROC curve beside all pairs, and its draws beside replicated data."""

from __future__ import annotations

import numpy as np
import pytest

from occbench.evaluation.auroc import auroc, auroc_draws


def pairs(low: np.ndarray, high: np.ndarray) -> float:
    return float(np.mean([(h > a) + 0.5 * (h == a) for a in low for h in high]))


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_the_share_of_pairs_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.round(rng.random(40), 1), np.round(rng.random(60) + 0.2, 1)
    assert auroc(low, high) == pytest.approx(pairs(low, high))


def test_a_draw_is_the_area_of_the_replicated_images() -> None:
    rng = np.random.default_rng(1)
    low, high = rng.random(70), rng.random(90) + 0.15
    at_low, at_high = rng.integers(0, 8, 70), rng.integers(0, 8, 90)
    draws = rng.multinomial(8, np.full(8, 1 / 8), 20)
    found = auroc_draws(low, at_low, high, at_high, draws)
    for weights, area in zip(draws, found, strict=True):
        expected = auroc(np.repeat(low, weights[at_low]), np.repeat(high, weights[at_high]))
        assert area == pytest.approx(expected, abs=2e-3)


def test_apart_is_one_and_nothing_is_nothing() -> None:
    assert auroc(np.zeros(3), np.ones(4)) == 1
    assert np.isnan(auroc(np.zeros(0), np.ones(4)))
    assert auroc(np.ones(5), np.ones(4)) == 0.5
