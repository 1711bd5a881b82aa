"""Box AP: by hand, and against pycocotools reading the same boxes from files."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from occbench.evaluation.boxes import box_figures
from occbench.evaluation.types import GroundTruth

from .worlds import population


def persons(boxes: list[list[float]], images: list[int] | None = None, crowd: list[bool] | None = None) -> GroundTruth:
    g = len(boxes)
    return GroundTruth(
        image_ids=np.array([1, 2, 3]),
        image=np.array(images or [1] * g),
        keypoints=np.zeros((g, 17, 2)),
        visibility=np.zeros((g, 17), dtype=int),
        bbox=np.array(boxes, dtype=float).reshape(-1, 4),
        area=np.array([w * h for _, _, w, h in boxes], dtype=float),
        num_keypoints=np.zeros(g, dtype=int),
        crowd=np.array(crowd or [False] * g),
        ids=np.arange(g),
    )


def test_by_hand() -> None:
    truth = persons([[0, 0, 100, 100], [200, 0, 100, 100]])
    exact = box_figures(truth, np.array([1, 1]), truth.bbox, np.array([0.9, 0.8]))
    assert (exact.ap, exact.ap50, exact.ap75, exact.ar) == pytest.approx((1, 1, 1, 1))
    # IoU 0.8 (80 of 100 px wide): right at 7 of the 10 thresholds, 0.50 to 0.80.
    narrow = box_figures(
        truth, np.array([1, 1]), np.array([[0, 0, 80, 100], [200, 0, 80, 100.0]]), np.array([0.9, 0.8])
    )
    assert narrow.ap == pytest.approx(0.7)
    assert narrow.ar == pytest.approx(0.7)
    # One of two found: recall stops at 0.5, and precision is 1 at 51 of the 101 recall points.
    half = box_figures(truth, np.array([1]), truth.bbox[:1], np.array([0.9]))
    assert half.ap == pytest.approx(51 / 101)
    # A better-scored box on nobody halves the precision everywhere.
    wrong = box_figures(truth, np.array([2, 1, 1]), np.vstack([[[0, 0, 9, 9]], truth.bbox]), np.array([1, 0.9, 0.8]))
    assert wrong.ap == pytest.approx(2 / 3)
    nobody = box_figures(truth, np.empty(0, dtype=int), np.empty((0, 4)), np.empty(0))
    assert (nobody.ap, nobody.ar) == (0, 0)


def test_a_crowd_is_neither_right_nor_wrong() -> None:
    truth = persons([[0, 0, 100, 100], [200, 0, 300, 100]], crowd=[False, True])
    found = np.array([[210, 10, 50, 50], [0, 0, 100, 100.0]])
    assert box_figures(truth, np.array([1, 1]), found, np.array([0.9, 0.8])).ap == pytest.approx(1)
    only = persons([[200, 0, 300, 100]], crowd=[True])
    assert np.isnan(box_figures(only, np.array([1]), found[:1], np.array([0.9])).ap)


def test_the_figures_are_those_of_pycocotools_on_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = population(rng, images=30, persons=120)
    pick = rng.integers(0, len(truth), 200)
    boxes = truth.bbox[pick] * rng.uniform(0.8, 1.2, (200, 4)) + 0.25
    scores = rng.uniform(size=200).round(2)  # some are equal
    ours = box_figures(truth, truth.image[pick], boxes, scores)
    annotations = [
        {
            "id": g + 1,
            "image_id": int(truth.image[g]),
            "category_id": 1,
            "bbox": truth.bbox[g].tolist(),
            "area": float(truth.area[g]),
            "iscrowd": int(truth.crowd[g]),
        }
        for g in range(len(truth))
    ]
    content = {
        "images": [{"id": int(i)} for i in truth.image_ids],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    results = [
        {"image_id": int(truth.image[g]), "category_id": 1, "bbox": box.tolist(), "score": float(score)}
        for g, box, score in zip(pick, boxes, scores, strict=True)
    ]
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (tmp_path / "found.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth.json"))
        judge = COCOeval(coco, coco.loadRes(str(tmp_path / "found.json")), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert 0.05 < ours.ap < 0.95
    np.testing.assert_allclose([ours.ap, ours.ap50, ours.ap75, ours.ar], judge.stats[[0, 1, 2, 8]], atol=1e-12)


def test_what_does_not_belong_together_is_refused() -> None:
    truth = persons([[0, 0, 100, 100]])
    with pytest.raises(ValueError, match=r"not in truth\.image_ids: 9"):
        box_figures(truth, np.array([9]), truth.bbox, np.array([0.5]))
    with pytest.raises(ValueError, match="must have shape"):
        box_figures(truth, np.array([1]), np.zeros((2, 4)), np.array([0.5]))
