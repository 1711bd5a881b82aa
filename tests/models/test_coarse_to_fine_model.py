"""Coarse-to-fine models on their way through MMPose's estimator, the decoder, the engine and the backends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from occbench.attacks import COCO, SKELETONS, Attack
from occbench.data.persons import Dataset
from occbench.data.sources import open_dataset
from occbench.data.synthetic import generate
from occbench.estimators.backends import make_backend
from occbench.estimators.config import read_config
from occbench.estimators.decoding import find_decoder
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.inference.plan import Settings
from occbench.models import CoarseToFineHead, MultiResolutionBanks
from occbench.models.coarse_to_fine.mirror import mirrored_points
from occbench.models.complexity import measure_complexity
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model, list_models

from .coarse_to_fine_models import SIDE, small_config, small_model

SWAP = COCO.flip_indices
NAMES = [model.name for model in list_models() if "coarse_to_fine/" in model.config]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(str(generate(3, 5, tmp_path_factory.mktemp("people") / "set")))


def crops(n: int) -> Tensor:
    coarse = torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0, 1)


def model_of(config: Path, flip: bool) -> Any:
    model = small_model(config)
    model.test_cfg["flip_test"] = flip
    model.mirror_by(SWAP)
    return model


def samples(n: int) -> list[Any]:
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    found = []
    for i in range(n):
        box = {"input_center": np.array([100.0 + i, 80.0]), "input_scale": np.array([160.0, 160.0])}
        sample = PoseDataSample(metainfo={**box, "input_size": (SIDE, SIDE), "flip_indices": list(SWAP)})
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        found.append(sample)
    return found


@pytest.mark.parametrize("flip", [False, True])
def test_decoder_gives_what_the_model_itself_predicts(config: Path, flip: bool) -> None:
    model, images = model_of(config, flip), crops(3)
    with torch.inference_mode():
        expected = [s.pred_instances for s in model.predict(images, samples(3))]
        raw = model(images, None, mode="tensor")
    decoder = find_decoder(model.head, model.test_cfg, SWAP)
    assert decoder is not None
    assert not decoder.flips
    assert decoder.earlier == 1
    keypoints, scores = decoder(raw, None)
    assert keypoints.shape == (3, 17, 4)
    np.testing.assert_array_equal(keypoints[..., :2], raw[1].numpy())
    np.testing.assert_array_equal(scores, raw[0].amax((2, 3)).numpy())
    assert np.abs(keypoints[..., 2:] - keypoints[..., :2]).max() <= 11.5
    for i, person in enumerate(expected):
        placed = keypoints[i, :, 2:] / SIDE * 160 + np.array([100.0 + i, 80.0]) - 80
        np.testing.assert_allclose(placed, person.keypoints[0], atol=1e-4)
        np.testing.assert_allclose(scores[i], person.keypoint_scores[0])


@torch.inference_mode()
def test_with_flip_test_the_mirrored_crop_has_the_mirrored_pose(config: Path) -> None:
    """Windows of both pictures lie around one point, so all that is averaged is symmetric."""
    model, images = model_of(config, True), crops(2)
    here, there = (model(pictures, None, mode="tensor") for pictures in (images, images.flip(-1)))
    torch.testing.assert_close(mirrored_points(there[1], SWAP, SIDE), here[1], atol=0, rtol=0)
    torch.testing.assert_close(there[2][:, list(SWAP)].flip(-1), here[2], atol=1e-3, rtol=1e-3)
    plain = model_of(config, False)
    first, second = (plain(pictures, None, mode="tensor")[0] for pictures in (images, images.flip(-1)))
    mean = (first + second[:, list(SWAP)].flip(-1)) / 2
    torch.testing.assert_close(here[0], mean)
    model.head.mirror = None
    with pytest.raises(OccbenchError, match="which joints change places"):
        model(images, None, mode="tensor")


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
def test_backends_compute_it(config: Path, backend: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino" if backend == "openvino" else "onnxruntime")
    model = model_of(config, True)
    images = (255 * crops(5)).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    made = make_backend(
        backend,
        model,
        precision="fp32",
        device="cpu",
        weights_sha256="0",
        config_sha256="c",
        sample=images[:3],
        cache=tmp_path,
    )
    raw, flipped = made(images, False)
    assert flipped is None
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        normal = model.data_preprocessor({"inputs": [*inputs], "data_samples": samples(5)})["inputs"]
        expected = model(normal, None, mode="tensor")
    for found, wanted in zip(raw, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3 * float(wanted.max() - wanted.min()))


def test_engine_keeps_both_predictions(config: Path, people: Dataset, tmp_path: Path) -> None:
    torch.save({"state_dict": small_model(config).state_dict()}, tmp_path / "small.pth")
    model = PoseModel(config, tmp_path / "small.pth", flip=True)
    crops_ = list(model.crops.cut_all(people.persons))
    model.use("torch", sample=crops_[:4])
    hidden = Attack("part", "blackout", "left_arm", 4.0)
    (clean, attacked), _ = predict_cells(model, people.persons, [hidden], COCO, Settings(batch_size=4, workers=0))
    assert clean.stages.shape == (len(people.persons), 1, 17, 2)
    scale = np.stack([crop.scale for crop in crops_])[:, None] / SIDE
    apart = (clean.keypoints - clean.stages[:, 0]) / scale
    assert np.abs(apart).max() <= 11.5 + 1e-3
    assert (np.abs(apart) > 0).any()
    corner = np.stack([crop.center - 0.5 * crop.scale for crop in crops_])[:, None]
    cells = ((clean.stages[:, 0] - corner) / scale + 0.5) / 8 - 0.5  # whole numbers
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-3)
    assert attacked.attacked.any()
    assert (attacked.stages != clean.stages).any()


def test_coarse_alone_is_one_stage(tmp_path: Path) -> None:
    model = model_of(small_config(tmp_path, "coarse-8x-coco"), False)
    with torch.inference_mode():
        raw = model(crops(2), None, mode="tensor")
    decoder = find_decoder(model.head, model.test_cfg, SWAP)
    assert decoder is not None
    assert decoder.earlier == 0
    np.testing.assert_array_equal(decoder(raw, None)[0], raw[1].numpy())


def test_phases_fix_what_they_do_not_train(tmp_path: Path) -> None:
    more = "model['backbone']['norm'] = 'batch'\n"
    model = small_model(small_config(tmp_path, more=more)).train()
    images, labels = crops(2), samples(2)
    from mmengine.structures import InstanceData

    for sample in labels:
        places = torch.rand(1, 17, 2, generator=torch.Generator().manual_seed(3)) * SIDE
        sample.gt_instance_labels = InstanceData(keypoint_labels=places, keypoint_weights=torch.ones(1, 17))
    coarse = {"backbone", "head.coarse"}
    torch.manual_seed(0)  # maps are dropped out; so few that without it all units of the fine network can be dead
    for phase, trained in (("coarse", coarse), ("fine", {"head.fine"}), ("joint", {*coarse, "head.fine"})):
        model.set_phase(phase)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model.zero_grad()
        losses = model.loss(images, labels)
        sum(losses.values()).backward()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.grad is not None:
                    weight -= 1e-3 * weight.grad
        changed = {
            part
            for part in ("backbone", "head.coarse", "head.fine")
            for name, value in model.state_dict().items()
            if name.startswith(part) and not torch.equal(value, before[name])
        }
        assert changed == trained, phase
        assert set(losses) == {f"loss_{part}" for part in ("coarse", "fine") if phase in (part, "joint")}


def test_fine_loss_reaches_the_first_two_stages_of_every_bank(config: Path) -> None:
    model = small_model(config)
    feats = model.backbone(crops(2))
    _, centres, fine = model.head(feats)
    fine.square().sum().backward()
    for bank in model.backbone.banks:
        assert [conv.weight.grad is not None for conv in bank.convs] == [True, True, False, False]
    assert model.head.coarse.last.weight.grad is None
    assert not centres.requires_grad


def test_models_by_name() -> None:
    assert len(NAMES) == 23
    for name in NAMES:
        model = find_model(name)
        config = read_config(model.config_path)
        head, names = config.model.head, SKELETONS[model.dataset].keypoints
        assert head.num_joints == len(names)
        assert head.pooling == config.model.backbone.get("pooling", 8)
        assert (head.fine is None) == name.startswith(("coarse-8x", "coarse-narrow"))
        assert ("joint" in config.model.train_cfg.phases) == name.startswith("coarse-to-fine")
        assert tuple(head.decoder.input_size) == tuple(config.train_pipeline[4].input_size)
    assert find_model("coarse-to-fine").name == "coarse-to-fine-8x"


def test_the_cascade_at_8x_costs_less_than_the_coarse_network_at_4x() -> None:
    """With the paper's seven joints in its 360x240 px; the fine network's part grows with the joints."""

    def flops(pooling: int, **head: Any) -> int:
        with torch.device("meta"):
            backbone, made = MultiResolutionBanks(pooling), CoarseToFineHead(pooling=pooling, **head)
        parts = torch.nn.ModuleDict({"backbone": backbone, "head": made})
        return measure_complexity(parts, (360, 240), lambda images: made(backbone(images))).flops

    ratio = flops(8, num_joints=7, fine={}) / flops(4, num_joints=7)
    assert 0.7 < ratio < 0.8
    assert flops(8, num_joints=14, fine={}) > flops(4, num_joints=14)
