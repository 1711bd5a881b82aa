"""Confidence against correctness, on small numbers and against three-line loops."""

from __future__ import annotations

import numpy as np
import pytest

from occbench.evaluation.oks import annotators_similarity, keypoint_similarity
from occbench.tables.confidence import BINS, Photos, confidence_rows

CEILING = np.array(0.9)


def _group(rows: list[dict[str, object]], name: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    mine = [row for row in rows if row["keypoints"] == name]
    assert mine[0]["score_lo"] is None
    assert all(row["score_lo"] is not None for row in mine[1:])
    return mine[0], mine[1:]


def test_hand_made() -> None:
    scores = np.array([[0.91, 0.93, 0.11], [0.2, 1.4, -0.3]])
    similarity = np.array([[0.5, 0.7, 0.01], [np.nan, 1.0, 0.1]])
    hidden = np.array([[True, True, False], [True, False, False]])
    labelled = np.array([[True, True, True], [True, True, True]])
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled, CEILING), "hidden")
    assert whole == pytest.approx(
        {
            "keypoints": "hidden",
            "score_lo": None,
            "score_hi": None,
            "n": 2,
            "score": 0.92,
            "similarity": 0.6,
            "error": 0.32,
            "ceiling": 0.9,
        }
    )
    assert [(row["score_lo"], row["n"]) for row in bins] == [(0.9, 2)]
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled, CEILING), "visible")
    # below 0 and above 1 count in the first and the last bin, with their own scores
    assert [(row["score_lo"], row["n"], row["score"]) for row in bins] == [
        (0.0, 1, -0.3),
        (0.1, 1, 0.11),
        (0.95, 1, 1.4),
    ]
    assert whole["error"] == pytest.approx((0.4 + 0.1 + 0.4) / 3)


def test_unlabelled_keypoints_do_not_count() -> None:
    ones = np.ones((2, 3))
    nobody = np.zeros((2, 3), dtype=bool)
    assert confidence_rows(ones, ones, nobody, nobody, CEILING) == []
    assert [row["keypoints"] for row in confidence_rows(ones, ones, nobody, ~nobody, CEILING)] == ["visible", "visible"]


def test_against_a_loop() -> None:
    rng = np.random.default_rng(3)
    scores, similarity = rng.uniform(0, 1, (2, 300, 17)).astype(np.float32)
    hidden, labelled = rng.uniform(size=(2, 300, 17)) < 0.4
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled, CEILING), "hidden")
    pairs = [
        (float(s), float(o)) for s, o in zip(scores[hidden & labelled], similarity[hidden & labelled], strict=True)
    ]
    assert whole["n"] == len(pairs) == sum(int(str(row["n"])) for row in bins)
    error = 0.0
    for row in bins:
        mine = [p for p in pairs if row["score_lo"] <= p[0] < row["score_hi"]]  # type: ignore[operator]
        score, right = np.mean(mine, axis=0)
        assert (row["n"], row["score"], row["similarity"]) == pytest.approx((len(mine), score, right))
        error += len(mine) * abs(score - right) / len(pairs)
    assert len(bins) == BINS
    assert whole["error"] == pytest.approx(error)


def test_the_interval_of_the_error_by_drawing_photos() -> None:
    """Against whole photos drawn and scored anew; the mean of the draws lies where the error does."""
    rng = np.random.default_rng(4)
    place = np.sort(rng.integers(0, 40, 90))
    scores, similarity = rng.uniform(0, 1, (2, 90, 5))
    everything = np.ones((90, 5), dtype=bool)
    draws = np.stack([np.bincount(rng.integers(0, 40, 40), minlength=40) for _ in range(200)]).astype(float)
    photos = Photos(place, draws)
    whole = confidence_rows(scores, similarity, everything, everything, CEILING, photos)[0]
    errors = []
    for draw in draws.astype(int):
        drawn = np.repeat(np.arange(90), draw[place])
        parts = (scores[drawn], similarity[drawn], everything[drawn], everything[drawn])
        errors.append(confidence_rows(*parts, CEILING)[0]["error"])
    moved = np.array(errors) - np.mean(errors) + whole["error"]
    assert whole["error_lo"] < np.quantile(moved, 0.03) < whole["error"] < np.quantile(moved, 0.97) < whole["error_hi"]
    assert whole["error_lo"] > moved.min() - 1e-9
    one_photo = confidence_rows(scores, similarity, everything, everything, CEILING, Photos(place * 0, draws))[0]
    assert np.isnan([one_photo["error_lo"], one_photo["error_hi"]]).all()


def test_the_ceiling_is_what_annotators_reach() -> None:
    """Annotations scattered by COCO's sigmas around where the predictions lie."""
    rng = np.random.default_rng(5)
    sigmas, area = np.array([0.026, 0.107]), 900.0
    truth = np.zeros((200_000, 2, 2))
    truth += rng.normal(size=truth.shape) * (sigmas * np.sqrt(area / 2))[None, :, None]
    reached = keypoint_similarity(np.zeros_like(truth), truth, sigmas, np.full(len(truth), area)).mean(axis=0)
    np.testing.assert_allclose(annotators_similarity(sigmas), reached, atol=2e-3)
    np.testing.assert_allclose(reached, 8 / 9, atol=2e-3)
