"""Box offsets: golden/proposal_generator.json has what the published program made of given draws, and of 20,000."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.data.coco import read_coco
from occbench.data.matching import with_detections
from occbench.data.proposals import (
    PUBLISHED,
    Offsets,
    Proposals,
    aligned,
    fit_proposals,
    offset_box,
    patch_of,
    read_proposals,
    write_proposals,
)
from occbench.system.errors import OccbenchError

from .builders import people, write

GOLDEN = json.loads((Path(__file__).parent / "golden" / "proposal_generator.json").read_text())


def drawn(box: np.ndarray, size: tuple[int, int], uniforms: Any, normals: Any) -> np.ndarray:
    if uniforms[0] > 0.85:
        return patch_of(box, size, uniforms[0], np.array(uniforms[1:]))
    return offset_box(box, box[2:] - box[:2], size, PUBLISHED, np.array(normals))


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_golden_case(case: dict[str, Any]) -> None:
    box, size = np.array(case["box"], dtype=float), (case["image_wh"][0], case["image_wh"][1])
    found = drawn(box, size, case["uniforms"], case["standard_normals_for_xmin_ymin_xmax_ymax"])
    np.testing.assert_allclose(found, case["result"], rtol=0, atol=1e-12)


def iou(boxes: np.ndarray, one: np.ndarray) -> np.ndarray:
    low, high = np.maximum(boxes[:, :2], one[:2]), np.minimum(boxes[:, 2:], one[2:])
    overlap = np.clip(high - low, 0, None).prod(1)
    both = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (one[2:] - one[:2]).prod()
    return overlap / (both - overlap)


def test_the_distribution_of_20_000_draws() -> None:
    said = GOLDEN["distribution"]
    rng = np.random.default_rng(0)
    box = np.array(said["box"], dtype=float)
    boxes = np.stack(
        [drawn(box, tuple(said["image"]), rng.random(3), rng.standard_normal(4)) for _ in range(said["n"])]
    )
    values = iou(boxes, box)
    assert values.mean() == pytest.approx(said["iou_mean"], abs=0.01)
    for share, value in said["iou_quantiles"].items():
        assert np.quantile(values, float(share)) == pytest.approx(value, abs=0.01)


def test_offsets_are_of_the_box_before_it_was_grown() -> None:
    grown = np.array([88.0, 52, 232, 388])  # 120 x 280, grown by a fifth
    moved = offset_box(grown, np.array([120, 280]), (640, 480), PUBLISHED, np.ones(4))
    shares = np.add(PUBLISHED.mean, PUBLISHED.std)
    np.testing.assert_allclose(moved - grown, shares * [120, 280, 120, 280])


def dataset(folder: Path) -> Any:
    """140 persons: wide poses have boxes that are too wide, standing ones boxes that are too narrow on the left."""
    content = people()
    rng = np.random.default_rng(4)
    content["images"], content["annotations"], found = [], [], []
    template = people()["annotations"][0]
    for i in range(140):
        content["images"].append({"id": i, "file_name": f"{i}.jpg", "width": 400, "height": 400})
        wide = i % 2 == 1
        grid = np.array(template["keypoints"]).reshape(17, 3)
        centre = grid[:, :2].mean(0)
        grid[:, :2] = (grid[:, :2] - centre) * ([4, 1] if wide else [1, 4]) + 200 + rng.normal(0, 0.5, (17, 2))
        content["annotations"].append(
            {**template, "id": i + 1, "image_id": i, "bbox": [150, 140, 100, 120], "keypoints": grid.ravel().tolist()}
        )
        noise = rng.normal(0, 1, 4) * [0.02, 0.04, 0.03, 0.01] + ([-0.1, 0, 0.1, 0] if wide else [0.05, 0.01, 0, 0])
        x1, y1, x2, y2 = np.array([150, 140, 250, 260]) + noise * [100, 120, 100, 120]
        found.append({"image_id": i, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": 0.9})
        found.append({"image_id": i, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.5})  # of nobody
    folder.mkdir(exist_ok=True)
    return with_detections(read_coco(write(folder, content), folder), write(folder, found, "detections.json"))


def test_a_fit_finds_the_offsets_again(tmp_path: Path) -> None:
    data = dataset(tmp_path / "a")
    found = fit_proposals(data).pooled
    assert found.n == 140
    np.testing.assert_allclose(found.mean, [-0.025, 0.005, 0.05, 0], atol=0.015)
    truth = np.array([150, 140, 250, 260])
    boxes = np.stack([p.box for p in data.persons if p.annotation is not None]).astype(float)
    offsets = (boxes - truth) / [100, 120, 100, 120]
    np.testing.assert_allclose(found.mean, offsets.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.std, offsets.std(0), rtol=1e-4, atol=1e-6)


def test_clusters_of_poses_have_offsets_of_their_own(tmp_path: Path) -> None:
    data = dataset(tmp_path / "a")
    found = fit_proposals(data, 2)
    wide = next(p for p in data.persons if p.annotation == 2)
    standing = next(p for p in data.persons if p.annotation == 1)
    assert found.of(wide.keypoints, wide.labelled).mean[0] == pytest.approx(-0.1, abs=0.02)
    assert found.of(standing.keypoints, standing.labelled).mean[0] == pytest.approx(0.05, abs=0.02)
    assert sum(offsets.n for offsets in found.offsets) == 140
    few = np.arange(17) < 5  # too few labelled keypoints to tell
    assert found.of(wide.keypoints, few) == found.pooled
    small = fit_proposals(replace(data, persons=data.persons[:110]), 2)  # clusters of less than fifty
    assert set(small.offsets) == {small.pooled}

    path = tmp_path / "offsets.json"
    write_proposals(path, found, {"data": "made up"})
    again = read_proposals(path)
    assert (again.pooled, again.offsets) == (found.pooled, found.offsets)
    assert again.of(wide.keypoints, wide.labelled) == found.of(wide.keypoints, wide.labelled)
    with pytest.raises(OccbenchError, match="poses of 17 keypoints do not go with data of 16"):
        again.of(np.zeros((16, 2)), np.ones(16, bool))


def test_an_aligned_pose_hangs_on_neither_place_nor_size() -> None:
    rng = np.random.default_rng(0)
    pose, labelled = rng.normal(0, 1, (17, 2)), rng.random(17) > 0.3
    np.testing.assert_allclose(aligned(pose * 7 + 30, labelled), aligned(pose, labelled), atol=1e-12)
    assert np.square(aligned(pose, labelled)[labelled]).sum(1).mean() == pytest.approx(1)


def test_what_cannot_be_fitted_or_read_is_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path / "a")
    with pytest.raises(OccbenchError, match="20 detections are matched to annotated persons, but box offsets need"):
        fit_proposals(replace(data, persons=data.persons[:40]))
    with pytest.raises(OccbenchError, match="too few for 200 clusters: give a smaller --clusters"):
        fit_proposals(data, 200)
    for content in (
        [],
        {},
        {"pooled": {"mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"pooled": {"mean": [0] * 4, "std": [-1] * 4}},
    ):
        with pytest.raises(OccbenchError, match=r"holds no box offsets: `occbench fit-proposals --out FILE\.json`"):
            read_proposals(write(tmp_path, content, "bad.json"))


def test_published_offsets_are_the_default() -> None:
    assert Proposals().of(np.zeros((17, 2)), np.ones(17, bool)) == PUBLISHED
    assert Offsets.of(np.zeros((3, 4))).std == (0, 0, 0, 0)
