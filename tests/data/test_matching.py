"""Boxes and persons matched (PROTOCOL section 7), against a plain loop and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occbench.data.coco import read_coco
from occbench.data.matching import match_boxes, with_detections
from occbench.data.persons import Dataset
from occbench.system.errors import OccbenchError

from .builders import people, write

Box = tuple[float, float, float, float]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0


def plain(boxes: Sequence[Box], scores: Sequence[float], truth: Sequence[Box]) -> list[int]:
    """Greedily by score, each box to the free person it overlaps most, from IoU 0.5 on."""
    matches, free = [-1] * len(boxes), list(range(len(truth)))
    for d in sorted(range(len(boxes)), key=lambda d: -scores[d]):  # stable
        best = max(free, key=lambda g: iou(boxes[d], truth[g]), default=None)
        if best is not None and iou(boxes[d], truth[best]) >= 0.5:
            matches[d] = best
            free.remove(best)
    return matches


# A coarse grid, so that equal boxes, equal scores and IoUs of exactly one half come about.
BOX = st.tuples(*[st.sampled_from([0.0, 1.0, 2.0])] * 2, *[st.sampled_from([0.0, 2.0, 3.0, 4.0])] * 2)
SCORE = st.sampled_from([0.2, 0.5, 0.9])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(BOX, SCORE), max_size=6), st.lists(BOX, max_size=5))
def test_matching_is_a_greedy_loop(found: list[tuple[Box, float]], truth: list[Box]) -> None:
    boxes, scores = [box for box, _ in found], [score for _, score in found]
    ours = match_boxes(
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(scores, dtype=float),
        np.array(truth, dtype=float).reshape(-1, 4),
    )
    assert ours.tolist() == plain(boxes, scores, truth)


def test_random_boxes_match_as_the_loop_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        truth = np.c_[rng.uniform(0, 60, (6, 2)), rng.uniform(20, 60, (6, 2))]
        boxes = np.concatenate([truth + rng.normal(0, 6, truth.shape), truth[:3] + rng.normal(0, 3, (3, 4))])
        boxes[:, 2:] = np.abs(boxes[:, 2:]) + 1
        scores = rng.uniform(0, 1, len(boxes)).round(1)
        ours = match_boxes(boxes, scores, truth).tolist()
        assert ours == plain(boxes.tolist(), scores.tolist(), truth.tolist())
        hits += sum(g >= 0 for g in ours)
    assert 300 < hits < 600


def detected(folder: Path, boxes: list[tuple[int, list[float], float]]) -> Dataset:
    content = [{"image_id": i, "category_id": 1, "bbox": box, "score": score} for i, box, score in boxes]
    return with_detections(read_coco(write(folder, people()), folder), write(folder, content, "boxes.json"))


def test_of_two_boxes_of_one_person_the_better_scored_is_matched(tmp_path: Path) -> None:
    dataset = detected(tmp_path, [(1, [5, 5, 40, 60], 0.4), (1, [6, 5, 40, 60], 0.9)])
    assert [p.annotation for p in dataset.persons] == [None, 12]
    assert not dataset.persons[0].labelled.any()
    assert not dataset.persons[0].keypoints.any()
    assert dataset.persons[1].labelled.sum() == 9
    assert np.array_equal(
        dataset.persons[1].keypoints, read_coco(tmp_path / "people.json", tmp_path).persons[2].keypoints
    )
    assert dataset.persons[1].box.tolist() == [6, 5, 46, 65]
    assert dataset.persons[1].score == pytest.approx(0.9)


def test_of_equal_scores_the_first_in_the_file_goes_first(tmp_path: Path) -> None:
    dataset = detected(tmp_path, [(1, [6, 5, 40, 60], 0.5), (1, [5, 5, 40, 60], 0.5)])
    assert [p.annotation for p in dataset.persons] == [12, None]


def test_one_half_is_enough_and_less_is_not(tmp_path: Path) -> None:
    dataset = detected(tmp_path, [(1, [5, 5, 20, 60], 0.5)])
    assert dataset.persons[0].annotation == 12
    dataset = detected(tmp_path, [(1, [5, 5, 19.9, 60], 0.5)])
    assert dataset.persons[0].annotation is None


def test_a_crowd_is_never_matched_and_a_person_without_labels_is(tmp_path: Path) -> None:
    dataset = detected(tmp_path, [(2, [0, 0, 79, 99], 0.9), (2, [20, 20, 30, 50], 0.8)])
    assert [p.annotation for p in dataset.persons] == [None, 15]
    assert not dataset.persons[1].labelled.any()
    counts = dataset.box_counts()
    assert (counts.n, counts.matched, counts.missed, counts.unmatched) == (2, 0, 3, 1)  # nobody with labels is matched


def test_boxes_of_another_photo_are_nobodys(tmp_path: Path) -> None:
    dataset = detected(tmp_path, [(2, [5, 5, 40, 60], 0.9), (1, [5, 5, 40, 60], 0.1)])
    assert {p.id: p.annotation for p in dataset.persons} == {0: None, 1: 12}
    assert [p.photo.id for p in dataset.persons] == [1, 2]  # photo by photo, in the annotations' order
    assert dataset.box_source == "detections"


def test_other_categories_and_extra_numbers_are_left_out(tmp_path: Path) -> None:
    content = [
        {"image_id": 77, "category_id": 3, "bbox": [0, 0, 1, 1], "score": 1},
        {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 60, 0.7], "score": 0.7},
    ]
    dataset = read_coco(write(tmp_path, people()), tmp_path)
    persons = with_detections(dataset, write(tmp_path, content, "boxes.json")).persons
    assert [(p.id, p.annotation) for p in persons] == [(0, 12)]  # the position among the persons, as MMPose counts


GOOD = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 60], "score": 0.5}
BAD = {
    "no list": ({"annotations": [GOOD]}, "must be a list of boxes"),
    "no object": ([5], r"\[0\]"),
    "empty": ([], "no box of category 1"),
    "no person": ([{**GOOD, "category_id": 2}], "no box of category 1"),
    "unknown photo": ([GOOD, {**GOOD, "image_id": 9}], r"1 of 2 boxes are of images .*the first is 9"),
    "huge photo id": ([{**GOOD, "image_id": 10**30}], "images that the annotations do not have"),
    "no score": ([{"image_id": 1, "bbox": [5, 5, 40, 60]}], r"\[0\].score: Field required"),
    "nan score": ([{**GOOD, "score": float("nan")}], r"\[0\].score: .*finite"),
    "nan box": ([GOOD, {**GOOD, "bbox": [float("nan"), 5, 40, 60]}], r"\[1\].bbox\[0\]: .*finite"),
    "infinite box": ([{**GOOD, "bbox": [5, 5, float("inf"), 60]}], r"\[0\].bbox\[2\]: .*finite"),
    "absurd box": ([{**GOOD, "bbox": [5, 5, 1e300, 60]}], r"\[0\].bbox\[2\]"),
    "three numbers": ([{**GOOD, "bbox": [5, 5, 40]}], r"\[0\].bbox"),
    "box without area": ([{**GOOD, "bbox": [5, 5, 0, 60]}], r"person box 0 \(image 1\) has no area"),
    "box outside": ([{**GOOD, "bbox": [500, 5, 40, 60]}], r"person box 0 \(image 1\) lies outside '1.jpg' \(80x100\)"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_detections_are_refused(tmp_path: Path, content: object, message: str) -> None:
    dataset = read_coco(write(tmp_path, people()), tmp_path)
    with pytest.raises(OccbenchError, match=message) as caught:
        with_detections(dataset, write(tmp_path, content, "boxes.json"))
    assert "boxes.json" in str(caught.value)
    assert "\n" not in str(caught.value)
