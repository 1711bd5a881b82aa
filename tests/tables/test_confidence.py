"""Confidence against correctness, on small numbers and against three-line loops."""

from __future__ import annotations

import numpy as np
import pytest

from occbench.tables.confidence import BINS, confidence_rows


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
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled), "hidden")
    assert whole == pytest.approx(
        {
            "keypoints": "hidden",
            "score_lo": None,
            "score_hi": None,
            "n": 2,
            "score": 0.92,
            "similarity": 0.6,
            "error": 0.32,
        }
    )
    assert [(row["score_lo"], row["n"]) for row in bins] == [(0.9, 2)]
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled), "visible")
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
    assert confidence_rows(ones, ones, nobody, nobody) == []
    assert [row["keypoints"] for row in confidence_rows(ones, ones, nobody, ~nobody)] == ["visible", "visible"]


def test_against_a_loop() -> None:
    rng = np.random.default_rng(3)
    scores, similarity = rng.uniform(0, 1, (2, 300, 17)).astype(np.float32)
    hidden, labelled = rng.uniform(size=(2, 300, 17)) < 0.4
    whole, bins = _group(confidence_rows(scores, similarity, hidden, labelled), "hidden")
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
