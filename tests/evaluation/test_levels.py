"""AP of CrowdPose's easy, medium and hard images beside the code that its authors publish."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.attacks import CROWDPOSE
from occbench.data.crowded import read_crowdpose
from occbench.data.persons import Dataset
from occbench.evaluation.bootstrap import Weights, compare, prepare
from occbench.evaluation.levels import LevelDraws, restrict
from occbench.evaluation.types import Detections


def made(folder: Path, rng: np.random.Generator, photos: int = 40) -> tuple[Dataset, Detections, Path]:
    """Crowded photos of all levels, persons without visible keypoints among them, and results in a file."""
    images, annotations, results = [], [], []
    for i in range(photos):
        index = float(np.round(rng.uniform(0, 1), 2)) if i > 5 else (0.0, 0.19, 0.2, 0.79, 0.8, 1.0)[i]
        images.append({"id": 10 + i, "file_name": f"{i}.jpg", "width": 640, "height": 480, "crowdIndex": index})
        for _ in range(int(rng.integers(1, 5))):
            side = rng.uniform(60, 240)
            corner = rng.uniform(0, 240, 2)
            points = corner + rng.uniform(0, 1, (14, 2)) * side
            flags = rng.choice([0, 1, 2], 14, p=[0.25, 0.25, 0.5]) if rng.random() > 0.1 else np.zeros(14, int)
            person: dict[str, Any] = {"id": len(annotations) + 1, "image_id": 10 + i, "category_id": 1, "iscrowd": 0}
            person["bbox"] = [*corner.tolist(), float(side), float(side)]
            person["keypoints"] = np.column_stack([points, flags]).ravel().tolist()
            person["num_keypoints"] = int((flags == 2).sum())
            annotations.append(person)
            spread = side * rng.lognormal(0, 0.8) * 0.05
            found = points + rng.normal(size=(14, 2)) * spread
            result = {"image_id": 10 + i, "category_id": 1, "score": float(np.round(rng.uniform(0.1, 1), 2))}
            results.append(result | {"keypoints": np.column_stack([found, np.ones(14)]).ravel().tolist()})
    category = {"id": 1, "name": "person", "keypoints": list(CROWDPOSE.keypoints), "skeleton": []}
    path = folder / "crowd.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    (folder / "results.json").write_text(json.dumps(results))
    detections = Detections(
        np.array([r["image_id"] for r in results]),
        np.array([r["keypoints"] for r in results]).reshape(-1, 14, 3)[..., :2],
        np.array([r["score"] for r in results]),
    )
    return read_crowdpose(path, folder), detections, folder / "results.json"


def published(annotations: Path, results: Path) -> np.ndarray:
    """The nine figures of CrowdPose's evaluation code, as MMPose calls it."""
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        judge = COCOeval(truth, truth.loadRes(str(results)), "keypoints_crowd", np.array(CROWDPOSE.sigmas), False)
        judge.params.useSegm = None
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.asarray(judge.stats)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_the_published_code(tmp_path: Path, seed: int) -> None:
    dataset, detections, results = made(tmp_path, np.random.default_rng(seed))
    theirs = published(dataset.annotations, results)
    figures = prepare(dataset.truth, detections, dataset.sigmas, masks={None: None}).figures[None]
    ours = [figures.ap, figures.ap50, figures.ap75, figures.ar, figures.ar50, figures.ar75]
    np.testing.assert_allclose(ours, theirs[:6], atol=1e-9)
    assert dataset.levels is not None
    levels = LevelDraws(dataset.truth, dataset.levels, None).evaluate(dataset.truth, detections, dataset.sigmas)
    found = [levels[level][0].figures[None].ap for level in ("easy", "medium", "hard")]
    # The published code rounds these three to four digits.
    np.testing.assert_allclose(np.round(found, 4), theirs[6:], atol=1e-9)
    assert len({round(x, 4) for x in found}) == 3


def test_persons_of_all_levels_are_all_persons(tmp_path: Path) -> None:
    dataset, detections, _ = made(tmp_path, np.random.default_rng(3))
    assert dataset.levels is not None
    whole = prepare(dataset.truth, detections, dataset.sigmas, masks={None: None}).figures[None]
    levels = LevelDraws(dataset.truth, dataset.levels, None).evaluate(dataset.truth, detections, dataset.sigmas)
    assert sum(prepared.figures[None].n for prepared, _ in levels.values()) == whole.n
    some, seen = restrict(dataset.truth, detections, dataset.truth.image_ids)
    assert len(some) == len(dataset.truth)
    assert len(seen) == len(detections)


def test_draws_of_a_level_are_those_of_its_images(tmp_path: Path) -> None:
    """A level's draws are the AP of the data set in which its images occur as often as they were drawn."""
    rng = np.random.default_rng(4)
    dataset, detections, _ = made(tmp_path, rng)
    truth = dataset.truth
    assert dataset.levels is not None
    weights = Weights.draw(len(truth.image_ids), 30, rng=rng)
    draws = LevelDraws(truth, dataset.levels, weights)
    found = draws.evaluate(truth, detections, dataset.sigmas)
    easy, _ = restrict(truth, detections, truth.image_ids[draws.images["hard"]])
    _, resampled = found["hard"]
    assert resampled is not None
    assert resampled.weights.draws.shape == (30, len(easy.image_ids))
    np.testing.assert_array_equal(resampled.weights.draws, weights.draws[:, draws.images["hard"]])
    worse = Detections(detections.image, detections.keypoints + 9, detections.scores)
    again = draws.evaluate(truth, worse, dataset.sigmas)
    for level, (_, clean) in found.items():
        attacked = again[level][1]
        assert clean is not None
        assert attacked is not None
        (row,) = compare(clean, attacked)
        assert row.drop > 0
        assert row.drop_lo < row.drop < row.drop_hi
        assert row.n == clean.n[0]
