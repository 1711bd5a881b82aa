"""Training boxes drawn as a detector gives them, and the parallel estimator's target."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmpose.registry import DATASETS, TRANSFORMS

from occbench.augmentations import CentredTarget, ProposalBox
from occbench.data.proposals import PUBLISHED, offset_box, patch_of
from occbench.estimators.config import read_config
from occbench.system.errors import OccbenchError
from occbench.training import Settings, TrainingData, train
from occbench.training.config import build_config
from occbench.training.hooks import StopNotFinite
from occbench.weights.checkpoints import load_state_dict
from occbench.weights.zoo import list_models

CODEC = {"type": "MSRAHeatmap", "input_size": (48, 64), "heatmap_size": (12, 16), "sigma": 1}


def sample(padding: float = 1.2) -> dict[str, Any]:
    box = np.array([[100.0, 80, 220, 360]], dtype=np.float32)
    points = np.random.default_rng(0).uniform([110, 90], [210, 350], (1, 17, 2)).astype(np.float32)
    return {
        "img": np.zeros((480, 640, 3), np.uint8),
        "img_shape": (480, 640),
        "bbox_center": (box[:, :2] + box[:, 2:]) / 2,
        "bbox_scale": (box[:, 2:] - box[:, :2]) * padding,
        "keypoints": points,
        "keypoints_visible": np.ones((1, 17), np.float32),
    }


def box_of(results: dict[str, Any]) -> np.ndarray:
    center, scale = results["bbox_center"][0], results["bbox_scale"][0]
    return np.concatenate([center - scale / 2, center + scale / 2])


def test_boxes_are_those_of_the_functions() -> None:
    """MMPose's transforms draw from NumPy's global state, which SeedSample seeds."""
    transform, patches = ProposalBox(padding=1.2), 0
    for seed in range(60):
        results = sample()
        grown = box_of(results).astype(float)
        np.random.seed(seed)  # noqa: NPY002
        transform(results)
        np.random.seed(seed)  # noqa: NPY002
        share = np.random.random()  # noqa: NPY002
        if share > 0.85:
            patches += 1
            expected = patch_of(grown, (640, 480), share, np.random.random(2))  # noqa: NPY002
            np.testing.assert_array_equal(results["centred_center"], results["bbox_center"][0])
        else:
            expected = offset_box(grown, np.array([120, 280]), (640, 480), PUBLISHED, np.random.standard_normal(4))  # noqa: NPY002
            np.testing.assert_allclose(results["centred_scale"], [144, 336])
            np.testing.assert_allclose(results["centred_center"], [160, 220])
        np.testing.assert_allclose(box_of(results), expected, atol=1e-3)
    assert 3 <= patches <= 18


def test_fitted_offsets_are_read_and_p_0_only_keeps_the_box(tmp_path: Path) -> None:
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps({"pooled": {"mean": [0.5, 0, 0.5, 0], "std": [0, 0, 0, 0]}}))
    results = ProposalBox(padding=1.2, patch=0, offsets=str(path))(sample())
    np.testing.assert_allclose(box_of(results) - box_of(sample()), [60, 0, 60, 0], atol=1e-3)
    kept = ProposalBox(padding=1.2, p=0)(sample())
    np.testing.assert_array_equal(box_of(kept), box_of(sample()))
    np.testing.assert_allclose(kept["centred_center"], [160, 220])
    with pytest.raises(OccbenchError, match="padding above 0, patch in"):
        ProposalBox(padding=1.2, patch=1)
    with pytest.raises(OccbenchError, match="file of box offsets"):
        ProposalBox(padding=1.2, offsets="nowhere.json")


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_the_parallel_target_is_the_target_of_the_undisturbed_box(rotation: float) -> None:
    steps = [
        TRANSFORMS.build(step)
        for step in ({"type": "TopdownAffine", "input_size": (48, 64)}, {"type": "GenerateTarget", "encoder": CODEC})
    ]

    def through(results: dict[str, Any], *before: Any) -> dict[str, Any]:
        results["bbox_rotation"] = np.array([rotation], np.float32)
        for step in (*before, *steps, CentredTarget(encoder=CODEC)):
            results = step(results)
        return results

    np.random.seed(3)  # noqa: NPY002
    moved, still = through(sample(), ProposalBox(padding=1.2, patch=0)), through(sample())
    np.testing.assert_allclose(moved["parallel_heatmaps"], still["heatmaps"], atol=1e-6)
    np.testing.assert_allclose(moved["parallel_weights"], still["keypoint_weights"])
    assert abs(moved["heatmaps"] - still["heatmaps"]).max() > 0.1
    np.testing.assert_allclose(still["parallel_heatmaps"], still["heatmaps"], atol=1e-6)
    packed = TRANSFORMS.build({"type": "PackPoseInputs"})(moved)["data_samples"]
    assert packed.gt_fields.parallel_heatmaps.shape == packed.gt_fields.heatmaps.shape == (17, 16, 12)
    assert packed.gt_instance_labels.parallel_weights.shape == (1, 17)


# Not four channels: torch 2.13 spoils memory in the backward pass of a 1x1 convolution of so few, channels last.
TINY_RMPE = """
custom_imports = dict(imports=['occbench.models', 'occbench.augmentations'])
codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
model = dict(
    type='SymmetricSTN',
    parallel=True,
    localiser=dict(type='LocalisationNet', widths=(8, 16), blocks=1),
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
                  stem_channels=8, base_channels=8),
    head=dict(type='HeatmapHead', in_channels=8, out_channels=17, deconv_out_channels=None,
              loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=False))
train_dataloader = dict(dataset=dict(type='CocoDataset', data_mode='topdown', pipeline=[
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.2),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='ProposalBox', padding=1.2),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='CentredTarget', encoder=codec),
    dict(type='PackPoseInputs')]))
default_scope = 'mmpose'
"""


def test_a_training_with_the_parallel_estimator(people: TrainingData, tmp_path: Path) -> None:
    """From plain weights; the exported ones have no parallel estimator; a resumed training gives the same ones."""
    from mmpose.models import build_pose_estimator

    config = tmp_path / "rmpe.py"
    config.write_text(TINY_RMPE)
    settings = Settings(epochs=2, batch_size=2, seed=1, init="none")
    with pytest.raises(OccbenchError, match="the parallel estimator is frozen, so it needs the weights"):
        train(config, people, tmp_path / "none", settings=settings, workers=0)
    cfg = build_config(config, people, None, settings, workers=0)
    plain = dict(copy.deepcopy(cfg.model), type="TopdownPoseEstimator")
    for name in ("parallel", "localiser"):
        plain.pop(name)
    torch.manual_seed(0)
    start = tmp_path / "plain.pth"
    torch.save(build_pose_estimator(plain).state_dict(), start)
    settings = Settings(epochs=2, batch_size=2, seed=1, init=str(start))
    whole = load_state_dict(train(config, people, tmp_path / "whole", settings=settings, workers=0))
    assert not any(name.startswith("parallel.") for name in whole)
    assert (whole["localiser.theta.weight"] != 0).any()
    first = tmp_path / "resumed"
    usual = StopNotFinite.after_train_iter

    def stopping(self: Any, runner: Any, *a: Any, **k: Any) -> None:
        usual(self, runner, *a, **k)
        if runner.epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StopNotFinite, "after_train_iter", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(config, people, first, settings=settings, workers=0)
    again = load_state_dict(train(config, people, first, settings=settings, resume=True, workers=0))
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name


@pytest.mark.parametrize("name", [model.name for model in list_models() if model.name.startswith("rmpe-")])
def test_every_config_packs_both_targets(people: TrainingData, name: str) -> None:
    """A person goes through the training pipeline of each config of the zoo, and the boxes are grown alike in both."""
    model = next(model for model in list_models() if model.name == name)
    cfg = build_config(model.config_path, people, None, Settings(), workers=0)
    assert cfg.model.type == "SymmetricSTN"
    assert cfg.model.parallel
    data = DATASETS.build(cfg.train_dataloader.dataset)
    packed = data[0]["data_samples"]
    assert packed.gt_fields.parallel_heatmaps.shape == packed.gt_fields.heatmaps.shape
    paddings = {step["padding"] for step in cfg.train_dataloader.dataset.pipeline if "padding" in step}
    assert paddings == {1.3 if name.endswith("-30") else 1.2}
    test = read_config(model.config_path).test_dataloader.dataset.pipeline
    assert {step["padding"] for step in test if "padding" in step} == paddings
