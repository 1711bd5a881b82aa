"""Persons, boxes and constants against MMPose's own CocoDataset."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.attacks import COCO
from occbench.data.coco import EDGES, SIGMAS, read_coco
from occbench.data.matching import with_detections
from occbench.data.persons import Person
from occbench.data.synthetic import generate
from occbench.system.compat import setup_mmpose

from ..conftest import Real


def theirs(annotations: Path, images: Path, detections: Path | None = None) -> list[dict[str, Any]]:
    """What MMPose reads, in its order."""
    setup_mmpose()
    from mmpose.datasets.datasets import CocoDataset

    dataset = CocoDataset(
        ann_file=str(annotations),
        bbox_file=None if detections is None else str(detections),
        data_prefix={"img": f"{images}/"},
        test_mode=True,
        pipeline=[],
    )
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def assert_same(ours: Sequence[Person], expected: list[dict[str, Any]]) -> None:
    """Ids, photos, boxes and their scores, one by one and in order, to the last bit."""
    assert [person.id for person in ours] == [info["id"] for info in expected]
    assert [person.photo.id for person in ours] == [info["img_id"] for info in expected]
    assert [person.photo.path for person in ours] == [Path(info["img_path"]) for info in expected]
    for person, info in zip(ours, expected, strict=True):
        assert person.box.dtype == np.float32
        np.testing.assert_array_equal(person.box, info["bbox"][0])
        assert np.float32(person.score) == info["bbox_score"][0]


def assert_same_keypoints(ours: Sequence[Person], expected: list[dict[str, Any]]) -> None:
    for person, info in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(person.keypoints, info["keypoints"][0])
        np.testing.assert_array_equal(np.minimum(1, person.visibility), info["keypoints_visible"][0])
        stored = np.array(info["raw_ann_info"]["keypoints"]).reshape(-1, 3)[:, 2]
        np.testing.assert_array_equal(person.visibility, stored)
        assert person.annotation == info["id"]


@pytest.mark.real
def test_annotated_persons_of_real_photos(real: Real) -> None:
    expected = theirs(real.annotations, real.images)
    dataset = read_coco(real.annotations, real.images)
    assert len(expected) == 303
    assert_same(dataset.persons, expected)
    assert_same_keypoints(dataset.persons, expected)


@pytest.mark.real
def test_detected_boxes_of_real_photos(real: Real) -> None:
    expected = theirs(real.annotations, real.images, real.detections)
    dataset = with_detections(read_coco(real.annotations, real.images), real.detections)
    # Ours go photo by photo, so that each is decoded once; MMPose's in the order of the file. The ids are the same.
    assert_same(sorted(dataset.persons, key=lambda person: person.id), expected)
    photos = [person.photo.id for person in dataset.persons]
    assert len(set(photos)) == 1 + sum(a != b for a, b in pairwise(photos))


def test_synthetic_persons(tmp_path: Path) -> None:
    annotations = generate(6, 5, tmp_path / "people")
    images = annotations.parent / "images"
    dataset = read_coco(annotations, images)
    expected = theirs(annotations, images)
    assert len(dataset.persons) > 5
    assert_same(dataset.persons, expected)
    assert_same_keypoints(dataset.persons, expected)


def test_constants_are_those_of_mmpose() -> None:
    setup_mmpose()
    from mmpose.datasets.datasets import CocoDataset
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    info = parse_pose_metainfo(CocoDataset.METAINFO)
    names = [info["keypoint_id2name"][i] for i in range(info["num_keypoints"])]
    assert names == list(COCO.keypoints)
    np.testing.assert_array_equal(SIGMAS, info["sigmas"].astype(np.float64).round(6))
    assert {frozenset(edge) for edge in EDGES} == {frozenset(names[i] for i in link) for link in info["skeleton_links"]}
    assert len(EDGES) == len(info["skeleton_links"])
