"""Standardised figures: weights of one give the plain figure back, and a confounder that is all there is goes away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.evaluation.bootstrap import Weights, prepare
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.natural import flag_masks
from occbench.evaluation.standardised import compared_areas, compared_rates, person_weights, strata
from occbench.evaluation.types import Detections, GroundTruth

from .worlds import SIGMAS, population

ONCE = np.ones((1, 30), dtype=np.int16)


def world(seed: int) -> tuple[GroundTruth, Detections]:
    """Small persons are found badly and their nose is often occluded; being occluded itself costs nothing."""
    rng = np.random.default_rng(seed)
    truth = population(rng, images=30, persons=1200)
    small = truth.area < np.median(truth.area)
    flags = truth.visibility.copy()
    flags[:, 0] = np.where(rng.random(1200) < np.where(small, 0.8, 0.2), 1, 2)
    truth = replace(truth, visibility=flags, num_keypoints=(flags > 0).sum(axis=1))
    spread = np.sqrt(truth.area) * np.where(small, 0.06, 0.02)
    points = truth.keypoints + rng.normal(size=truth.keypoints.shape) * spread[:, None, None]
    return truth, Detections(truth.image, points, rng.uniform(0, 1, 1200), np.arange(1200))


def test_a_difference_of_size_alone_goes_away() -> None:
    truth, found = world(0)
    # Everybody in an image of their own, so that nobody is taken for somebody else.
    truth = replace(truth, image_ids=np.arange(1200), image=np.arange(1200))
    found = replace(found, image=np.arange(1200))
    matches = prepare(truth, found, SIGMAS, masks=flag_masks(truth)).matches
    weights = Weights.draw(1200, 60, rng=np.random.default_rng(1))
    alike = compared_areas(truth, matches, (0, 1), 0, weights)
    flags = [np.where(truth.visibility == f, f, 0) for f in (2, 1)]
    raw = [evaluate_cell(replace(truth, visibility=f), found, SIGMAS)[0].exact for f in flags]
    assert raw[0] - raw[1] > 0.15
    spread = (alike.visible - alike.occluded)[1:].std()
    assert abs(alike.visible[0] - alike.occluded[0]) < 3 * spread < 0.15
    # All occluded persons are in strata with visible ones, so that theirs is the plain figure.
    assert alike.occluded[0] == pytest.approx(raw[1], abs=1e-12)


def test_weights_make_the_strata_alike() -> None:
    truth, _ = world(2)
    visible, occluded = truth.visibility[:, 0] == 2, truth.visibility[:, 0] == 1
    for times in (ONCE, Weights.draw(30, 1, rng=np.random.default_rng(3)).draws):
        seen, gone = person_weights(truth, visible, occluded, times)
        drawn = times[0][np.searchsorted(truth.image_ids, truth.image)]
        stratum = strata(truth, visible | occluded)
        for s in np.unique(stratum):
            assert seen[0, stratum == s].sum() == pytest.approx(gone[0, stratum == s].sum())
            assert gone[0, stratum == s].sum() in (0, drawn[(stratum == s) & occluded].sum())
        assert (seen[0, ~visible] == 0).all()


def test_rates_by_hand() -> None:
    truth, _ = world(4)
    rng = np.random.default_rng(5)
    hit = rng.random(1200) < np.where(truth.area < np.median(truth.area), 0.4, 0.9)
    counted = np.ones(1200, dtype=bool)
    alike = compared_rates(truth, hit, counted, 0, Weights(ONCE[:0], ONCE[:0]))
    flags, stratum = truth.visibility[:, 0], strata(truth, counted)
    share, rate = [], []
    for s in np.unique(stratum):
        share.append(((flags == 1) & (stratum == s)).sum())
        rate.append(hit[(flags == 2) & (stratum == s)].mean())
    assert alike.visible[0] == pytest.approx(np.average(rate, weights=share))
    assert alike.occluded[0] == pytest.approx(hit[flags == 1].mean())


def test_nobody_occluded_is_no_number() -> None:
    truth, found = world(6)
    truth = replace(truth, visibility=np.where(truth.visibility > 0, 2, 0))
    matches = prepare(truth, found, SIGMAS, masks=flag_masks(truth)).matches
    alike = compared_areas(truth, matches, (0, 1), 0, Weights(ONCE, ONCE))
    assert np.isnan([*alike.visible, *alike.occluded]).all()
