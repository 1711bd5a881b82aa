"""The stand-in for xtcocotools, beside what xtcocotools 1.14.3 says of the same random persons."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from occbench.system.coco_tools import COCO, COCOeval
from occbench.system.compat import setup_mmpose

from .coco_worlds import FIGURES, GOLDEN, TYPES, WORLDS, digest, judge, make_world


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def test_the_worlds_are_those_that_were_judged(golden: dict[str, np.ndarray]) -> None:
    assert digest([make_world(seed) for seed in range(WORLDS)]) == str(golden["digest"])


@pytest.mark.parametrize("kind", TYPES)
def test_figures_are_those_of_xtcocotools(golden: dict[str, np.ndarray], tmp_path: Path, kind: str) -> None:
    seen = []
    for seed in range(TYPES.index(kind), WORLDS, len(TYPES)):
        world = make_world(seed)
        assert world["options"]["iouType"] == kind
        ours = judge(COCO, COCOeval, world, tmp_path)
        for name in FIGURES:
            np.testing.assert_array_equal(ours[name], golden[f"{name}-{seed}"], err_msg=f"{name} of world {seed}")
        seen.append(float(ours["stats"][0]))
    assert len(set(seen)) > len(seen) / 3  # the worlds are not all without matches


def test_mmpose_judges_with_the_stand_in() -> None:
    setup_mmpose()
    from mmpose.datasets.datasets.base import base_coco_style_dataset
    from mmpose.datasets.transforms import bottomup_transforms
    from mmpose.evaluation.metrics import coco_metric, coco_wholebody_metric

    assert base_coco_style_dataset.COCO is coco_metric.COCO is COCO
    assert coco_metric.COCOeval is coco_wholebody_metric.COCOeval is COCOeval
    assert importlib.import_module("xtcocotools.coco").COCO is COCO
    square = [[0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0]]
    tools = bottomup_transforms.cocomask
    assert tools.decode(tools.merge(tools.frPyObjects(square, 8, 8))).sum() == 16


def test_annotations_from_a_file_and_from_memory(tmp_path: Path) -> None:
    data = make_world(4)["data"]
    (tmp_path / "people.json").write_text(json.dumps(data))
    whole = COCO(tmp_path / "people.json")
    some = COCO(ann_data=copy.deepcopy(data), test_index=[2, 0])
    assert whole.anns.keys() == some.anns.keys()
    for number, person in whole.anns.items():
        assert "iscrowd" in person
        points = np.reshape(person["keypoints"], (-1, 3))
        np.testing.assert_array_equal(np.reshape(some.anns[number]["keypoints"], (-1, 3)), points[[2, 0]])
    results = make_world(4)["results"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    from_file, from_memory = whole.loadRes(str(tmp_path / "results.json")), some.loadRes("no file", results)
    assert len(from_file.anns) == len(from_memory.anns) == len(results) > 0
    assert len(whole.loadRes([]).anns) == 0
    assert pickle.loads(pickle.dumps(whole)).anns == whole.anns  # as worker processes need it


def test_judging_leaves_the_annotations_as_they_are() -> None:
    world = make_world(TYPES.index("keypoints_wholebody") + len(TYPES))
    for result in world["results"]:
        result.pop("wholebody_score", None)
    truth = COCO(ann_data=copy.deepcopy(world["data"]))
    results = truth.loadRes(copy.deepcopy(world["results"]))
    before = copy.deepcopy((truth.anns, results.anns))
    judged = COCOeval(truth, results, **world["options"])
    with pytest.warns(UserWarning, match="'wholebody_score' not found"):
        judged.evaluate()
    assert (truth.anns, results.anns) == before
