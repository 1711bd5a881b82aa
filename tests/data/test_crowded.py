"""OCHuman and CrowdPose person by person against MMPose's classes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.attacks import COCO, CROWDPOSE
from occbench.data.crowded import level_of, read_crowdpose, read_ochuman
from occbench.data.matching import with_detections
from occbench.system.errors import OccbenchError

from ..conftest import Real
from .mmpose_sets import assert_same, theirs
from .set_builders import crowdpose, dump


@pytest.mark.real
def test_real_ochuman_is_mmposes(real: Real) -> None:
    folder = real.root / "ochuman"
    dataset = read_ochuman(folder / "test_ochuman.json", folder)
    expected = theirs("OCHumanDataset", folder / "test_ochuman.json", folder)
    assert len(expected) == 5
    assert_same(dataset.persons, expected)
    assert dataset.skeleton is COCO
    assert {int(v) for person in dataset.persons for v in person.visibility} == {0, 1, 2}


@pytest.mark.real
def test_real_crowdpose_is_mmposes(real: Real) -> None:
    folder = real.root / "crowdpose"
    dataset = read_crowdpose(folder / "test_crowdpose.json", folder)
    expected = theirs("CrowdPoseDataset", folder / "test_crowdpose.json", folder)
    assert len(expected) == 4
    assert_same(dataset.persons, expected)
    assert dataset.levels == {106848: "medium", 103319: "medium"}
    # The fifth person has no labelled keypoint: it has no crop, but COCO's evaluation knows it.
    assert len(dataset.truth) == 5
    area = {info["id"]: info["raw_ann_info"]["bbox"][2] * info["raw_ann_info"]["bbox"][3] * 0.53 for info in expected}
    for g, number in enumerate(dataset.truth.ids.tolist()):
        if number in area:
            assert dataset.truth.area[g] == pytest.approx(area[number], rel=1e-12)


@pytest.mark.real
def test_real_detections_on_crowdpose(real: Real) -> None:
    folder = real.root / "crowdpose"
    boxes = folder / "test_crowdpose_det_AP_40.json"
    dataset = with_detections(read_crowdpose(folder / "test_crowdpose.json", folder), boxes)
    expected = theirs("CrowdPoseDataset", folder / "test_crowdpose.json", folder, bbox_file=str(boxes))
    assert [person.id for person in dataset.persons] == [info["id"] for info in expected]
    for person, info in zip(dataset.persons, expected, strict=True):
        np.testing.assert_array_equal(person.box, info["bbox"][0])
    counts = dataset.box_counts()
    # One of the five boxes stands for the person without keypoints.
    assert (counts.n, counts.matched, counts.missed) == (6, 4, 0)  # the fifth has no labelled keypoints
    assert sum(person.labelled.any() for person in dataset.persons) == 4


@pytest.mark.parametrize("names", [None, CROWDPOSE.keypoints])
def test_made_crowdpose_is_mmposes(tmp_path: Path, names: tuple[str, ...] | None) -> None:
    content = crowdpose(np.random.default_rng(0), names=names)
    content["annotations"][3]["num_keypoints"] = 0  # nothing visible: not measured
    content["annotations"][4]["bbox"] = [30, 30, 0, 12]  # nothing to cut out
    content["annotations"][5]["keypoints"][:3] = [500, 10, 2]  # out of the photo
    content["annotations"][1]["area"] = 3.0  # CrowdPose's evaluation does not look at it
    path = dump(tmp_path / "crowd.json", content)
    dataset = read_crowdpose(path, tmp_path)
    assert_same(dataset.persons, theirs("CrowdPoseDataset", path, tmp_path))
    assert len(dataset.persons) == 4
    assert dataset.levels == {100: "easy", 101: "medium", 102: "hard"}
    width, height = content["annotations"][1]["bbox"][2:]
    assert dataset.truth.area[1] == pytest.approx(0.53 * width * height)
    left = dataset.without({101})
    assert left.levels == {100: "easy", 102: "hard"}


def test_levels_are_those_of_the_evaluation_code() -> None:
    assert [level_of(x) for x in (0, 0.19, 0.2, 0.79, 0.8, 1.0)] == ["easy"] * 2 + ["medium"] * 2 + ["hard"] * 2


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a list": (lambda c: [], "is no COCO file"),
    "COCO's keypoints": (
        lambda c: c | {"categories": [{"id": 1, "keypoints": list(COCO.keypoints)}]},
        r"its keypoints are not 'crowdpose''s 14 \(it has 17: 'nose'",
    ),
    "13 joints": (
        lambda c: c | {"annotations": [c["annotations"][0] | {"keypoints": [1.0] * 39}]},
        "has 39 keypoint numbers, but 'crowdpose' has 3 x 14",
    ),
    "no crowd index": (
        lambda c: c | {"images": [{k: v for k, v in i.items() if k != "crowdIndex"} for i in c["images"]]},
        r"images\[0\]\.crowdIndex",
    ),
    "another set's photos": (
        lambda c: c | {"images": c["images"][1:]},
        "annotation 7000 is of image 100, which is not listed",
    ),
}


@pytest.mark.parametrize(("spoilt", "message"), BAD.values(), ids=BAD)
def test_bad_crowdpose_is_one_clear_line(
    tmp_path: Path, spoilt: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = dump(tmp_path / "crowd.json", spoilt(copy.deepcopy(crowdpose(np.random.default_rng(0)))))
    with pytest.raises(OccbenchError, match=message) as caught:
        read_crowdpose(path, tmp_path)
    assert "\n" not in str(caught.value)
