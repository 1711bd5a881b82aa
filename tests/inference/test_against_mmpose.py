"""Predictions and APs against MMPose's own test loop, on the real photos."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.attacks import COCO, THESIS_FILLS, Attack
from occbench.data.coco import read_coco
from occbench.data.matching import with_detections
from occbench.data.persons import Dataset
from occbench.estimators.pose_model import PoseModel
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.types import Detections
from occbench.inference.engine import predict_cells
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import to_detections
from occbench.weights.zoo import find_model

from ..conftest import Real
from .mmpose_loop import mmpose_runner, outcome

pytestmark = pytest.mark.real

TARGETS = {"keypoint": ("nose", "left_hip", "right_ankle"), "part": ("head", "left_arm", "lower_body")}


@cache
def load(real: Real, name: str, backend: str = "torch") -> PoseModel:
    """The model as the command line runs it; loaded once."""
    model = PoseModel(find_model(name).config_path, real.weights(name))
    dataset = read_coco(real.annotations, real.images)
    model.use(backend, sample=list(model.crops.cut_all(dataset.persons[:4])))
    return model


def subset(real: Real, folder: Path, photos: int) -> Path:
    """The annotations of the first photos with persons, as a file that MMPose can read."""
    data = json.loads(real.annotations.read_text())
    wanted = {a["image_id"] for a in data["annotations"] if a["num_keypoints"]}
    data["images"] = [image for image in data["images"] if image["id"] in wanted][:photos]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in kept]
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    return path


def our_ap(model: PoseModel, dataset: Dataset) -> float:
    (cell,), geometry = predict_cells(model, dataset.persons, [], COCO)
    areas = geometry[:, 2] * geometry[:, 3]
    detections = to_detections(dataset, cell.keypoints, cell.scores, areas)
    return evaluate_cell(dataset.truth, detections, dataset.sigmas, masks={None: None})[None].ap


@pytest.mark.parametrize(("name", "photos"), [("tinypose-256x192", 8), ("tinypose-128x96", 20)])
def test_clean_ap_is_that_of_mmpose(real: Real, tmp_path: Path, name: str, photos: int) -> None:
    model = load(real, name)
    annotations = subset(real, tmp_path, photos)
    theirs, _ = outcome(mmpose_runner(model.config, real.weights(name), annotations, real.images, tmp_path))
    ours = our_ap(model, read_coco(annotations, real.images))
    assert ours == pytest.approx(theirs["coco/AP"], abs=5e-6)


def test_clean_ap_over_detections_is_that_of_mmpose(real: Real, tmp_path: Path) -> None:
    name = "tinypose-128x96"
    model = load(real, name)
    annotations = subset(real, tmp_path, photos=12)
    kept = {image["id"] for image in json.loads(annotations.read_text())["images"]}
    detections = tmp_path / "detections.json"
    detections.write_text(json.dumps([d for d in json.loads(real.detections.read_text()) if d["image_id"] in kept]))
    theirs, _ = outcome(mmpose_runner(model.config, real.weights(name), annotations, real.images, tmp_path, detections))
    ours = our_ap(model, with_detections(read_coco(annotations, real.images), detections))
    assert ours == pytest.approx(theirs["coco/AP"], abs=5e-6)


@dataclass(frozen=True)
class Few:
    """Some photos, for a model that sees them without an attack and with one.

    Attributes:
        dataset: Their persons.
        model: Ours.
        runner: MMPose's, with the attack in its pipeline.
    """

    dataset: Dataset
    model: PoseModel
    runner: Any


@pytest.fixture(scope="module")
def few(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Few:
    """Both sides, made ready once for all attacks."""
    name, folder = "tinypose-128x96", tmp_path_factory.mktemp("few")
    model = load(real, name)
    annotations = subset(real, folder, photos=5)
    runner = mmpose_runner(model.config, real.weights(name), annotations, real.images, folder, attacked=True)
    return Few(read_coco(annotations, real.images), model, runner)


@pytest.mark.parametrize("level", ["keypoint", "part"])
@pytest.mark.parametrize("fill", THESIS_FILLS)
def test_attacked_keypoints_are_those_of_a_transform_in_mmposes_pipeline(few: Few, level: str, fill: str) -> None:
    attacks = [Attack(level, fill, target, radius=4) for target in TARGETS[level]]
    cells = predict_cells(few.model, few.dataset.persons, attacks, COCO)[0][1:]
    for cell, attack in zip(cells, attacks, strict=True):
        assert cell.attacked.any()
        _, theirs = outcome(few.runner, level=level, fill=fill, target=attack.target, radius=attack.radius)
        for i, person in enumerate(few.dataset.persons):
            np.testing.assert_allclose(cell.keypoints[i], theirs[person.id][:, :2], atol=1e-3)
            np.testing.assert_allclose(cell.scores[i], theirs[person.id][:, 2], atol=1e-5)


REFERENCE = {
    "kpt:nose:blur:6": Attack("keypoint", "blur", "nose"),
    "part:head:meanout:6": Attack("part", "meanout", "head"),
}


def test_cells_are_those_of_an_independent_implementation(real: Real) -> None:
    """AP over all keypoints to 0.001, and every per-keypoint n, on all 303 persons; each keypoint's AP in one cell.

    On ONNX Runtime, which takes less time than torch, which the others are on.

    The reference's APs of single keypoints are of an older rule, that charged predictions of persons without the
    keypoint: those are taken out one by one here, and pycocotools judges the rest.
    """
    reference = json.loads((real.root / "reference" / "tinypose-256x192_real_dev.json").read_text())
    dataset = read_coco(real.annotations, real.images)
    model = load(real, "tinypose-256x192", "onnxruntime")
    cells, geometry = predict_cells(model, dataset.persons, list(REFERENCE.values()), COCO)
    areas = geometry[:, 2] * geometry[:, 3]
    for c, (name, cell) in enumerate(zip(["clean", *REFERENCE], cells, strict=True)):
        detections = to_detections(dataset, cell.keypoints, cell.scores, areas)
        figures = evaluate_cell(dataset.truth, detections, dataset.sigmas)
        assert figures[None].ap == pytest.approx(reference[name]["AP"], abs=1e-3), name
        if name == "clean":
            assert figures[None].ap == pytest.approx(0.76060, abs=5e-4)
        for k, keypoint in enumerate(COCO.keypoints):
            _, n = reference[name]["per_keypoint"][keypoint]
            assert figures[k].n == n, (name, keypoint)
            if k % len(cells) == c:
                assert figures[k].ap == pytest.approx(slow_ap(dataset, cell, detections, k), abs=1e-12), (name, k)


def slow_ap(dataset: Dataset, cell: CellPredictions, detections: Detections, k: int) -> float:
    """AP of one keypoint by pycocotools, on files without the persons who lack it and their predictions."""
    from pycocotools.coco import COCO as Files
    from pycocotools.cocoeval import COCOeval

    labelled = {p.annotation: bool(p.visibility[k] > 0) for p in dataset.persons}
    whose = {(p.photo.id, cell.keypoints[i].tobytes()): p.annotation for i, p in enumerate(dataset.persons)}
    results = []
    for image, points, score in zip(detections.image, detections.keypoints, detections.scores, strict=True):
        if labelled[whose[int(image), points.astype(np.float32).tobytes()]]:
            triples = np.column_stack([points, np.ones(len(points))]).ravel().tolist()
            results.append({"image_id": int(image), "category_id": 1, "keypoints": triples, "score": float(score)})
    data = json.loads(dataset.annotations.read_text())
    # Nor may they, or a crowd, take a prediction that is somebody else's; here each is somebody's.
    data["annotations"] = [one for one in data["annotations"] if labelled.get(one["id"], False)]
    for annotation in data["annotations"]:
        triples = np.array(annotation["keypoints"]).reshape(-1, 3)
        triples[np.arange(len(triples)) != k, 2] = 0
        annotation["keypoints"] = triples.ravel().tolist()
        annotation["num_keypoints"] = int(annotation["num_keypoints"] > 0 and triples[k, 2] > 0)
    truth = Files()
    truth.dataset = data
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes(results), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return float(judge.stats[0])
