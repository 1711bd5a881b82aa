"""A person who does not count is not charged: slow rules of PROTOCOL sections 5 and 9, by plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.evaluation import average_precision
from occbench.evaluation.bootstrap import Weights, compare, prepare, resample
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.owners import LEAST_OKS, owned, owners
from occbench.evaluation.types import Detections, GroundTruth

from . import fuzz
from .worlds import SIGMAS, population, predictions


def slow_owners(truth: GroundTruth, detections: Detections, sigmas: np.ndarray) -> np.ndarray:
    """Section 9 by loops: in score order the free person of the largest OKS over labelled keypoints."""
    result = np.full(len(detections), -1)
    for image in truth.image_ids:
        free = set(np.flatnonzero((truth.image == image) & ~truth.crowd).tolist())
        mine = np.flatnonzero(detections.image == image)
        for d in mine[np.argsort(-detections.scores[mine], kind="stable")]:
            best, taken = LEAST_OKS, -1
            for g in sorted(free):
                seen = truth.visibility[g] > 0
                if not seen.any():
                    continue
                e = ((detections.keypoints[d] - truth.keypoints[g]) ** 2).sum(axis=1)
                e = e / (2 * sigmas) ** 2 / (truth.area[g] + np.spacing(1)) / 2
                value = np.exp(-e[seen]).sum() / seen.sum()
                if value > best or (value == best and taken < 0):
                    best, taken = value, g
            if taken >= 0:
                free.discard(taken)
                result[d] = taken
    return result


def slow_exact(truth: GroundTruth, detections: Detections, owner: np.ndarray, counts: np.ndarray) -> float:
    """Exact AP by loops: leave out, match greedily, and add up a rectangle for every person found."""
    judged = counts.any(axis=1)
    present = [d for d in range(len(detections)) if owner[d] < 0 or judged[owner[d]]]
    areas = []
    for threshold in np.linspace(0.5, 0.95, 10):
        verdicts = []
        for image in truth.image_ids:
            mine = [d for d in present if detections.image[d] == image]
            mine = sorted(mine, key=lambda d: -detections.scores[d])[:20]
            taken: set[int] = set()
            for d in mine:
                ignored = ~judged & (owner[d] < 0)  # who does not count takes nothing that is somebody's
                for candidates, similar in ((judged, seen_oks), (ignored, box_oks)):
                    best, chosen = min(threshold, 1 - 1e-10), -1
                    for g in np.flatnonzero((truth.image == image) & candidates).tolist():
                        value = similar(truth, detections, g, d, counts[g])
                        if g not in taken and value >= best:
                            best, chosen = value, g
                    if chosen >= 0:
                        break
                taken.add(chosen)
                if chosen < 0 or judged[chosen]:  # one that an ignored person takes is neither right nor wrong
                    verdicts.append((detections.scores[d], chosen >= 0))
        verdicts.sort(key=lambda v: -v[0])
        right = np.cumsum([v[1] for v in verdicts])
        precision = right / np.arange(1, len(right) + 1)
        areas.append(sum(precision[i:].max() for i, v in enumerate(verdicts) if v[1]) / judged.sum())
    return float(np.mean(areas))


def seen_oks(truth: GroundTruth, detections: Detections, g: int, d: int, seen: np.ndarray) -> float:
    e = ((detections.keypoints[d] - truth.keypoints[g]) ** 2).sum(axis=1)
    e = e / (2 * SIGMAS) ** 2 / (truth.area[g] + np.spacing(1)) / 2
    return float(np.exp(-e[seen]).sum() / seen.sum())


def box_oks(truth: GroundTruth, detections: Detections, g: int, d: int, seen: np.ndarray) -> float:
    """COCO's stand-in for a person without a keypoint: how far outside the doubled box."""
    assert not seen.any()
    x, y, w, h = truth.bbox[g]
    low, high = np.array([x - w, y - h]), np.array([x + 2 * w, y + 2 * h])
    place = detections.keypoints[d]
    outside = np.maximum(0, low - place) + np.maximum(0, place - high)
    e = (outside**2).sum(axis=1) / (2 * SIGMAS) ** 2 / (truth.area[g] + np.spacing(1)) / 2
    return float(np.exp(-e).sum() / len(e))


@pytest.mark.parametrize("seed", range(12))
def test_whom_a_prediction_belongs_to_without_boxes(seed: int) -> None:
    problem = fuzz.problem(np.random.default_rng([4_000_000, seed]))
    unknown = replace(problem.detections, owner=None)
    found = owners(problem.truth, unknown, problem.sigmas)
    np.testing.assert_array_equal(found, slow_owners(problem.truth, unknown, problem.sigmas))


@pytest.mark.parametrize("known", [True, False])
def test_exact_ap_of_each_keypoint_by_loops(known: bool) -> None:
    rng = np.random.default_rng(1)
    truth = population(rng, images=8, persons=26)
    detections = predictions(rng, truth)
    detections = replace(detections, scores=rng.permutation(len(detections)) / len(detections))
    if not known:
        detections = replace(detections, owner=None)
    owner = slow_owners(truth, detections, SIGMAS) if detections.owner is None else detections.owner
    ours = evaluate_cell(truth, detections, SIGMAS)
    for k in (0, 5, 9):
        counts = np.zeros((len(truth), 17), dtype=bool)
        counts[:, k] = truth.visibility[:, k] > 0
        assert ours[k].exact == pytest.approx(slow_exact(truth, detections, owner, counts), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_equal_predictions_of_those_who_count_are_a_drop_of_nothing(seed: int) -> None:
    """Whatever becomes of the persons without the keypoint: moved, rescored, thrown together."""
    rng = np.random.default_rng(seed)
    truth = population(rng, images=15, persons=60)
    clean = predictions(rng, truth, 0.02)
    clean = clean.some(clean.owner >= 0) if seed % 2 else clean
    assert clean.owner is not None
    k = int(rng.integers(17))
    counts = np.append(truth.visibility[:, k] > 0, True)[clean.owner]
    points, scores = clean.keypoints.copy(), clean.scores.copy()
    other = rng.integers(0, len(clean), (~counts).sum())
    points[~counts] = clean.keypoints[other] + rng.normal(size=(len(other), 17, 2)) * 3
    scores[~counts] = rng.uniform(0, 1, len(other))
    weights = Weights.draw(15, 50, rng=rng)
    cells = [
        resample(prepare(truth, d, SIGMAS), weights) for d in (clean, replace(clean, keypoints=points, scores=scores))
    ]
    found = {c.key: c for c in compare(*cells)}
    assert (found[k].drop, found[k].drop_grid, found[k].photos) == (0, 0, 0)
    assert found[None].drop != 0
    column = 1 + k
    np.testing.assert_array_equal(cells[0].draws[:, column], cells[1].draws[:, column])


def test_whoever_does_not_count_was_charged_before() -> None:
    """Two persons with a nose, found; a third without, whose prediction lies far from every box: no false positive."""
    truth = population(np.random.default_rng(3), images=5, persons=3)
    flags = np.full((3, 17), 2)
    flags[2, 0] = 0
    truth = replace(truth, image=np.repeat(truth.image_ids[:1], 3), visibility=flags, num_keypoints=(flags > 0).sum(1))
    points = truth.keypoints.copy()
    points[2] += 1e4
    found = Detections(truth.image, points, np.array([0.5, 0.4, 0.9]), np.arange(3))
    assert evaluate_cell(truth, found, SIGMAS)[0].ap == pytest.approx(1)
    nobodys = replace(found, owner=np.array([0, 1, -1]))
    assert evaluate_cell(truth, nobodys, SIGMAS)[0].ap == pytest.approx(2 / 3, abs=1e-9)
    assert evaluate_cell(truth, found, SIGMAS, "thesis")[0] == evaluate_cell(truth, nobodys, SIGMAS, "thesis")[0]
    assert evaluate_cell(truth, found, SIGMAS)[None] == evaluate_cell(truth, nobodys, SIGMAS)[None]


def test_the_best_twenty_are_those_that_compete() -> None:
    """21 better scored predictions of persons without the keypoint do not keep the one of a person with it away."""
    truth = population(np.random.default_rng(4), images=5, persons=22)
    flags = np.full((22, 17), 2)
    flags[:21, 0] = 0
    truth = replace(truth, image=np.repeat(truth.image_ids[:1], 22), visibility=flags, num_keypoints=(flags > 0).sum(1))
    found = Detections(truth.image, truth.keypoints, np.linspace(1, 0.1, 22), np.arange(22))
    for evaluator in ("exact", "pycocotools"):
        assert evaluate_cell(truth, found, SIGMAS, evaluator=evaluator)[0].ap == pytest.approx(1)


def test_owned_are_those_of_somebody() -> None:
    rng = np.random.default_rng(5)
    truth = population(rng)
    found = predictions(rng, truth)
    kept = owned(truth, found, SIGMAS)
    assert len(kept) == len(truth)
    assert kept.owner is not None
    np.testing.assert_array_equal(kept.owner, np.arange(len(truth)))


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        (np.array([0]), "must have shape"),
        (np.array([-1, 9]), "must be indices of 3 persons"),
        (np.array([-1, 2]), "a person of another image"),
    ],
)
def test_owners_that_cannot_be(owner: np.ndarray, message: str) -> None:
    truth = population(np.random.default_rng(6), images=5, persons=3)
    truth = replace(truth, image=truth.image_ids[[0, 0, 1]])
    found = Detections(truth.image[:2], truth.keypoints[:2], np.ones(2), owner)
    with pytest.raises(ValueError, match=message):
        average_precision.match_masks(truth, found, SIGMAS, [None])
