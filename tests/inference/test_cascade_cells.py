"""A cascade under attack: painted on its canvas, in px of the first stage's input; every stage's predictions kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from occbench.attacks import COCO, Attack
from occbench.attacks.fills import keypoint_blur, scaled_blur
from occbench.data.persons import Dataset
from occbench.data.sources import open_dataset
from occbench.data.synthetic import generate
from occbench.estimators.config import read_config
from occbench.estimators.crops import CropPipeline
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import attack_crop, predict_cells
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions
from occbench.inference.scenes import subject_of
from occbench.runs.parquet import read_cell, write_cell
from occbench.weights.zoo import find_model

CONFIG = """
_base_ = ['{base}']
side = 192
codec = dict(type='CentredLabel', input_size=(side, side))
model = dict(
    backbone=dict(canvas=3, network=dict(size=64, widths=(4, 4, 4, 4, 4), units=8)), head=dict(decoder=codec))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(side, side)),
    dict(type='PackPoseInputs')]))
"""
HIDDEN = Attack("keypoint", "blackout", "left_wrist", 6.0)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(str(generate(3, 5, tmp_path_factory.mktemp("people") / "set")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PoseModel:
    folder = tmp_path_factory.mktemp("model")
    config = folder / "cascade.py"
    config.write_text(CONFIG.format(base=find_model("deeppose-cascade-coco").config_path))
    given = read_config(config)
    from mmpose.models import build_pose_estimator  # which can be imported by now

    torch.manual_seed(0)
    estimator = build_pose_estimator(given.model)
    for network in estimator.backbone.networks:
        torch.nn.init.normal_(network.out.bias, std=0.1)
    torch.save({"state_dict": estimator.state_dict()}, folder / "cascade.pth")
    return PoseModel(config, folder / "cascade.pth")


def test_sizes_of_an_attack_are_px_of_the_first_stage(model: PoseModel, people: Dataset) -> None:
    crop = next(c for c in model.crops.cut_all(people.persons) if c.person.labelled[COCO.keypoints.index("left_wrist")])
    painted, occluders = attack_crop(crop, HIDDEN, COCO, "corrected", 0)
    as_plain = replace(crop, canvas=1)
    thrice, _ = attack_crop(as_plain, replace(HIDDEN, radius=18.0), COCO, "corrected", 0)
    np.testing.assert_array_equal(painted, thrice)
    assert (painted != crop.image).any()
    blurred, _ = attack_crop(crop, replace(HIDDEN, fill="blur"), COCO, "corrected", 0)
    kernel, sigma = scaled_blur(keypoint_blur(6.0), 3)
    assert (kernel, sigma) == (33, 3 * keypoint_blur(6.0)[1])
    assert (blurred != crop.image).any()
    assert subject_of(crop).scale == pytest.approx(3 * subject_of(as_plain).scale)
    assert occluders.true == 1


def test_every_stage_is_kept(model: PoseModel, people: Dataset, tmp_path: Path) -> None:
    crops = list(model.crops.cut_all(people.persons))
    model.use("torch", sample=crops[:4])
    (clean, hidden), _ = predict_cells(model, people.persons, [HIDDEN], COCO, Settings(batch_size=4, workers=0))
    assert clean.stages.shape == (len(people.persons), 2, 17, 2)
    inputs = torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        canvas = model._model.data_preprocessor({"inputs": [*inputs], "data_samples": []})["inputs"]
        stages = [stage.double().numpy() for stage in model._model.backbone(canvas)]
    center, scale = (np.stack([getattr(crop, name) for crop in crops])[:, None] for name in ("center", "scale"))
    for found, expected in zip([*clean.stages.swapaxes(0, 1), clean.keypoints], stages, strict=True):
        np.testing.assert_allclose(found, center + scale * expected, atol=0.05)
    assert hidden.attacked.any()
    changed = (hidden.stages != clean.stages).any((2, 3))
    np.testing.assert_array_equal(changed[:, 0], hidden.attacked)  # the first stage saw it, and nobody else did
    write_cell(tmp_path / "hidden.parquet", hidden, {})
    np.testing.assert_array_equal(read_cell(tmp_path / "hidden.parquet").stages, hidden.stages)


def test_other_models_have_no_earlier_stages(tmp_path: Path) -> None:
    cell = CellPredictions.empty(None, 2, 17)
    write_cell(tmp_path / "clean.parquet", cell, {})
    assert read_cell(tmp_path / "clean.parquet").stages.shape == (2, 0, 17, 2)
    assert CropPipeline(read_config(find_model("hrnet-mini").config_path)).canvas == 1
