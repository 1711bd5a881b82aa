"""The symmetric spatial transformer on every backend and through the engine: maps that are not the identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.estimators.config import read_config
from occbench.estimators.make import what_it_sees
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model

from ..command_line import CONFIG, People, TinyModel
from .small_models import EXPORTED, SIZE, assert_close, crops, make, oracle

LOCALISER = "dict(type='LocalisationNet', widths=(4, 8), blocks=1)"
SYMMETRIC = (
    CONFIG.replace("type='TopdownPoseEstimator'", f"type='SymmetricSTN', localiser={LOCALISER}, parallel=True").replace(
        "test_cfg=dict(flip_test=False)", "test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True)"
    )
    + "custom_imports = dict(imports=['occbench.models'])\n"
)


def turned(model: Any) -> None:
    """A map that hangs on the crop: a zoom, a turn and a shift."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.nn.init.normal_(model.localiser.theta.weight, std=0.05)
    model.localiser.theta.bias.data = torch.tensor([0.9, 0.1, 0.05, -0.1, 1.1, -0.07])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "symmetric.py"
    path.write_text(SYMMETRIC)
    return path


@pytest.fixture(scope="module")
def weights(config: Path, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the model that knows the people, behind a map that is none of its training."""
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    given = read_config(config)
    given.model.pop("parallel")
    model = build_pose_estimator(given.model)
    model.load_state_dict(torch.load(tiny.weights, weights_only=True))
    turned(model)
    path = tmp_path_factory.mktemp("weights") / "symmetric.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.mark.parametrize("backend", ["torch", *EXPORTED])
def test_backends_compute_what_mmpose_does(backend: str, config: Path, weights: Path, tmp_path: Path) -> None:
    """ONNX by the adjugate and a grid that is written out: parity, whatever the batch, in the mirror too."""
    estimator = PoseModel(config, weights)._model
    made = make(backend, estimator, tmp_path)
    for count in (1, 3):
        images = crops(count, seed=count)
        raw, mirrored = made(images, True)
        # Bilinear sampling of steep noise: positions in single precision, as everywhere.
        assert_close(raw, oracle(estimator, images), 2e-4)
        assert_close(mirrored, oracle(estimator, images, flip=True), 2e-4)
    assert SIZE == (64, 48)


def test_the_engine_predicts_what_mmposes_own_step_does(
    config: Path, weights: Path, tiny: TinyModel, shared_people: People
) -> None:
    assert what_it_sees(find_model(str(config))) == "crop"
    model = PoseModel(config, weights)
    assert not any(name.startswith("parallel") for name in model._model.state_dict())
    data = read_coco(shared_people.annotations, shared_people.images)
    cut = list(model.crops.cut_all(data.persons))
    images = np.stack([crop.image for crop in cut])
    expected = model.predict(images, cut)
    model.use("torch", sample=cut)
    cells, _ = predict_cells(model, data.persons, [Attack("keypoint", "blackout", "nose", 4.0)], COCO)
    np.testing.assert_allclose(cells[0].keypoints, expected[0], atol=1e-2)
    np.testing.assert_allclose(cells[0].scores, expected[1], atol=1e-3)
    assert cells[1].attacked.any()


def test_weights_of_the_plain_model_give_the_plain_models_poses(
    config: Path, tiny: TinyModel, shared_people: People
) -> None:
    data = read_coco(shared_people.annotations, shared_people.images)
    symmetric, plain = PoseModel(config, tiny.weights, flip=False), PoseModel(tiny.config, tiny.weights)
    cut = list(plain.crops.cut_all(data.persons))
    images = np.stack([crop.image for crop in cut])
    found, expected = symmetric.predict(images, cut), plain.predict(images, cut)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
