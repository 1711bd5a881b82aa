"""Weights against copies: a weighted exact AP is pycocotools' AP of the data set with the images replicated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.evaluation import average_precision, compiled, reference, resampling
from occbench.evaluation.cells import cell_masks
from occbench.evaluation.resampling import Drawn
from occbench.evaluation.types import Detections, GroundTruth

from .worlds import SIGMAS, population, predictions


def replicate(truth: GroundTruth, detections: Detections, weights: np.ndarray):  # type: ignore[no-untyped-def]
    """The data set with image i copied ``weights[i]`` times under fresh ids, copies next to one another.

    Equal scores are told apart beforehand by the order in which pycocotools takes them, so that copies of one
    detection stand together.
    """
    order = np.lexsort((detections.image, -detections.scores))
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    detections = replace(detections, scores=-rank)
    copies = [(int(i), int(i) * 100 + c) for i, w in zip(truth.image_ids, weights, strict=True) for c in range(w)]
    persons = [np.flatnonzero(truth.image == i) for i, _ in copies]
    found = [np.flatnonzero(detections.image == i) for i, _ in copies]
    who, what = np.concatenate(persons), np.concatenate(found)
    taken = {f: getattr(truth, f)[who] for f in ("keypoints", "visibility", "bbox", "area", "num_keypoints", "crowd")}
    owner = None
    if detections.owner is not None:
        of_copy = np.repeat(np.arange(len(copies)), [len(p) for p in persons])
        place = {(int(c), int(g)): i for i, (c, g) in enumerate(zip(of_copy, who, strict=True))}
        theirs = np.repeat(np.arange(len(copies)), [len(f) for f in found])
        owner = np.array([place.get((int(c), int(detections.owner[d])), -1) for c, d in zip(theirs, what, strict=True)])
    return (
        GroundTruth(
            image_ids=np.array([new for _, new in copies]),
            image=np.repeat([new for _, new in copies], [len(p) for p in persons]),
            ids=np.arange(len(who)),
            **taken,
        ),
        Detections(
            np.repeat([new for _, new in copies], [len(f) for f in found]),
            detections.keypoints[what],
            detections.scores[what],
            owner,
        ),
        who,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unlabelled", ["ignore", "box"])
def test_weighted_area_is_pycocotools_of_the_replicated_images(
    seed: int, unlabelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:  # cut into short stretches of scores, and few rows at once, as large data sets are
        monkeypatch.setattr(resampling, "_DETECTIONS_AT_ONCE", 9)
        monkeypatch.setattr(resampling, "_ROWS_AT_ONCE", 40)
    rng = np.random.default_rng(seed)
    truth = population(rng)
    detections = predictions(rng, truth)
    if seed == 3:
        detections = replace(detections, owner=None)
    masks = [None, *list(cell_masks(len(truth), 17).values())[1:4], rng.random((len(truth), 17)) < 0.4]
    matches = average_precision.match_masks(truth, detections, SIGMAS, masks, unlabelled)
    weights = resampling.draw_weights(len(truth.image_ids), 4, rng)
    weighted = resampling.weighted_area(matches, weights)
    fast = resampling.resampled_area(matches, Drawn(weights))
    for b, weight in enumerate(weights):
        copies, found, who = replicate(truth, detections, weight)
        for m, mask in enumerate(masks):
            theirs = reference.evaluate(copies, found, SIGMAS, None if mask is None else mask[who], unlabelled)
            assert weighted[b, m] == pytest.approx(theirs.exact, abs=1e-12, nan_ok=True)
            assert fast[b, m] == pytest.approx(theirs.exact, abs=2e-6, nan_ok=True)


def test_leaving_images_out_is_evaluating_the_rest() -> None:
    rng = np.random.default_rng(9)
    truth = population(rng)
    detections = predictions(rng, truth)
    matches = average_precision.match_masks(truth, detections, SIGMAS, [None])
    weights = resampling.leave_out_weights(len(truth.image_ids), groups=5)
    assert (weights.sum(axis=0) == 4).all()
    for ap, weight in zip(resampling.weighted_area(matches, weights), weights, strict=True):
        rest, found, _ = replicate(truth, detections, weight)
        assert ap[0] == pytest.approx(reference.evaluate(rest, found, SIGMAS).exact, abs=1e-12)


def test_weights_of_one_change_nothing() -> None:
    rng = np.random.default_rng(10)
    truth = population(rng, persons=60)
    detections = predictions(rng, truth)
    matches = average_precision.match_masks(truth, detections, SIGMAS, list(cell_masks(60, 17).values()))
    ones = np.ones((1, len(truth.image_ids)), dtype=np.int16)
    plain = [average_precision.figures(average_precision.curves(matches, m)).exact for m in range(18)]
    np.testing.assert_allclose(resampling.weighted_area(matches, ones)[0], plain, atol=1e-12)


def test_fast_draws_are_the_exact_ones_to_single_precision() -> None:
    rng = np.random.default_rng(11)
    truth = population(rng, images=200, persons=700)
    detections = predictions(rng, truth)
    matches = average_precision.match_masks(truth, detections, SIGMAS, list(cell_masks(700, 17).values())[:6])
    weights = resampling.draw_weights(200, 170, rng)  # more than are walked at once
    fast, exact = resampling.resampled_area(matches, Drawn(weights)), resampling.weighted_area(matches, weights)
    assert np.abs(fast - exact).max() < 2e-6
    assert 0.1 < exact.mean() < 0.9


@pytest.mark.parametrize("stretch", [9, 700])
def test_compiled_draws_are_the_same_bits(stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where runs of right detections are cut by the ends of stretches, and where images are not drawn at all."""
    monkeypatch.setattr(resampling, "_DETECTIONS_AT_ONCE", stretch)
    rng = np.random.default_rng(14)
    truth = population(rng, images=40, persons=120)
    matches = average_precision.match_masks(
        truth, predictions(rng, truth), SIGMAS, list(cell_masks(120, 17).values())[:4]
    )
    weights = resampling.draw_weights(40, 2 * compiled.BLOCK + 5, rng)
    weights[0], weights[1, 3:] = 0, 0
    calls = []
    monkeypatch.setattr(
        compiled, "summed_precision", lambda *given, run=compiled.summed_precision: calls.append(run) or run(*given)
    )
    plain = resampling.resampled_area(matches, Drawn(weights))
    assert not calls  # so few are not worth it
    monkeypatch.setattr(compiled, "WORTH", 0)
    fast = resampling.resampled_area(matches, Drawn(weights))
    assert len(calls) == 1
    np.testing.assert_array_equal(fast, plain)
    weights[0, 0] = 256  # does not fit a byte
    resampling.resampled_area(matches, Drawn(weights))
    monkeypatch.setattr(compiled, "walk", lambda: None)  # not installed
    np.testing.assert_array_equal(resampling.resampled_area(matches, Drawn(weights[1:])), plain[1:])
    assert len(calls) == 1


def test_nobody_drawn_is_no_number() -> None:
    rng = np.random.default_rng(12)
    truth = population(rng)
    matches = average_precision.match_masks(truth, predictions(rng, truth), SIGMAS, [None])
    nobody = np.zeros((1, len(truth.image_ids)), dtype=np.int16)
    nobody[0, -1] = 3  # an image without persons
    assert np.isnan(resampling.weighted_area(matches, nobody)).all()
    assert np.isnan(resampling.resampled_area(matches, Drawn(nobody))).all()


def test_no_detections_are_ap_zero_in_every_draw() -> None:
    rng = np.random.default_rng(13)
    truth = population(rng)
    nothing = Detections(np.zeros(0, dtype=np.int64), np.zeros((0, 17, 2)), np.zeros(0))
    matches = average_precision.match_masks(truth, nothing, SIGMAS, [None])
    weights = resampling.draw_weights(len(truth.image_ids), 20, rng) + 1
    assert (resampling.resampled_area(matches, Drawn(weights)) == 0).all()
    assert resampling.resampled_area(matches, Drawn(weights[:0])).shape == (0, 1)


def test_draws_are_with_replacement_and_repeatable() -> None:
    weights = resampling.draw_weights(500, 400, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 500).all()
    assert np.mean(weights == 0) == pytest.approx(np.exp(-1), abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(weights, resampling.draw_weights(500, 400, np.random.default_rng(0)))
