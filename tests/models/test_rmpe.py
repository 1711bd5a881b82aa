"""RMPE's symmetric spatial transformer, against worked numbers (golden/stn.npz, .json), autograd, the plain model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from occbench.models.rmpe import LocalisationNet, SymmetricSTN, inverse, transformed
from occbench.system.errors import OccbenchError

GOLDEN = Path(__file__).parent / "golden"
STN = np.load(GOLDEN / "stn.npz")
SAID = json.loads((GOLDEN / "stn.json").read_text())
CODEC = {"type": "MSRAHeatmap", "input_size": (32, 48), "heatmap_size": (8, 12), "sigma": 1}
TEST = {"flip_test": True, "flip_mode": "heatmap", "shift_heatmap": True}


def golden(name: str) -> Tensor:
    return torch.from_numpy(STN[name])


def test_the_inverse_and_its_gradient() -> None:
    theta = golden("theta").requires_grad_()
    gamma = inverse(theta)
    np.testing.assert_allclose(gamma.detach(), STN["gamma"], atol=1e-6)
    (found,) = torch.autograd.grad(gamma, theta, golden("upstream"))
    np.testing.assert_allclose(found, STN["grad_theta"], atol=1e-6)


def test_the_gradient_is_that_of_the_closed_form() -> None:
    """dJ/dt3 = -G^T d3 and dJ/d[t1 t2] = -G^T A G^T, with G = [g1 g2] and A = [d1 d2] - d3 t3^T."""
    torch.manual_seed(1)
    theta = torch.randn(20, 2, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(20, 2, 3, dtype=torch.float64)
    gamma = inverse(theta)
    (found,) = torch.autograd.grad(gamma, theta, upstream)
    g, d3, t3 = gamma[..., :2].detach().mT, upstream[..., 2:], theta[..., 2:].detach()
    a = upstream[..., :2] - d3 @ t3.mT
    torch.testing.assert_close(found, torch.cat([-g @ a @ g, -g @ d3], -1))


@pytest.mark.parametrize("align", [False, True])
def test_transformer_and_detransformer(align: bool) -> None:
    where = f"align_corners_{align}"
    theta, image, heatmap = (golden(name).requires_grad_() for name in ("theta", "image", "heatmap"))
    seen, back = transformed(image, theta, align), transformed(heatmap, inverse(theta), align)
    np.testing.assert_allclose(seen.detach(), STN[f"{where}/stn_image"], atol=1e-6)
    np.testing.assert_allclose(back.detach(), STN[f"{where}/sdtn_heatmap"], atol=1e-6)
    upstream = [
        torch.from_numpy(np.random.RandomState(seed).standard_normal(tuple(maps.shape)))
        for seed, maps in ((11, seen), (12, back))
    ]
    found = torch.autograd.grad((seen, back), (theta, image, heatmap), upstream)
    for gradient, name in zip(found, ("theta", "image", "heatmap"), strict=True):
        np.testing.assert_allclose(gradient, STN[f"{where}/grad_{name}"], atol=1e-6)


def test_a_blob_that_goes_there_and_back() -> None:
    """It returns to its place, a little lower; only without aligned corners."""
    x = torch.arange(64, dtype=torch.float64)
    blob = torch.exp(-((x[None, :] - 30) ** 2 + (x[:, None] - 36) ** 2) / 18)[None, None]
    theta = torch.tensor([SAID["roundtrip_theta"]], dtype=torch.float64)
    for align in (False, True):
        said = SAID["roundtrip"][str(align)]
        back = transformed(transformed(blob, theta, align), inverse(theta), align)[0, 0]
        row, column = divmod(int(back.argmax()), 64)
        assert [column, row] == said["argmax_xy"]
        assert float(back.max()) == pytest.approx(said["max"], abs=1e-6)


def test_gradcheck_of_the_whole() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.Sigmoid()).double()
    theta = torch.tensor([[[0.9, 0.1, 0.07], [-0.15, 1.1, 0.2]]], dtype=torch.float64, requires_grad=True)
    image = torch.rand(1, 2, 8, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda theta, image: transformed(net(transformed(image, theta)), inverse(theta)), (theta, image)
    )


def test_an_inverse_of_a_collapsed_map_is_bounded() -> None:
    theta = torch.tensor([[[1e-9, 0, 0.5], [0, 1.0, 0]], [[-1e-9, 0, 0], [0, 1.0, 0]]], requires_grad=True)
    gamma = inverse(theta)
    gamma.sum().backward()
    assert gamma.isfinite().all()
    assert gamma.abs().max() <= 1000
    assert theta.grad is not None
    assert theta.grad.isfinite().all()
    assert gamma[0, 0, 0] * gamma[1, 0, 0] < 0


def test_the_localisation_net_is_the_published_one_and_starts_as_the_identity() -> None:
    net = LocalisationNet()
    assert sum(p.numel() for p in net.parameters()) == 11_182_598
    net.init_weights()
    found = net.eval()(torch.randn(2, 3, 64, 48))
    assert found.tolist() == [[[1, 0, 0], [0, 1, 0]]] * 2
    with pytest.raises(OccbenchError, match="widths and blocks of at least 1"):
        LocalisationNet(widths=(8, 0))


def backbone() -> dict[str, Any]:
    return {
        "type": "ResNet",
        "depth": 18,
        "num_stages": 1,
        "strides": (1,),
        "dilations": (1,),
        "out_indices": (0,),
        "stem_channels": 4,
        "base_channels": 4,
    }


def heads() -> dict[str, dict[str, Any]]:
    loss = {"type": "KeypointMSELoss", "use_target_weight": True}
    common = {"in_channels": 4, "out_channels": 17, "deconv_out_channels": None, "loss": loss, "decoder": CODEC}
    return {
        "one stage": {"type": "HeatmapHead", **common},
        "two stages": {"type": "CPMHead", "num_stages": 1, **common},
    }


def make(head: dict[str, Any], **others: Any) -> SymmetricSTN:
    localiser = {"type": "LocalisationNet", "widths": (4, 8), "blocks": 1}
    model = SymmetricSTN(backbone(), head=head, localiser=localiser, test_cfg=TEST, **others)
    model.init_weights()
    return model


def plain_model(head: dict[str, Any]) -> Any:
    from mmpose.models.pose_estimators import TopdownPoseEstimator

    torch.manual_seed(3)
    model = TopdownPoseEstimator(backbone(), head=head, test_cfg=TEST)
    model.init_weights()
    for layer in model.head.parameters():
        nn.init.normal_(layer)
    return model.eval()


def test_a_backbone_in_cells_begins_with_the_plain_estimators_weights_and_as_the_identity() -> None:
    head = heads()["one stage"]
    plain = plain_model(head)
    localiser = {"type": "BackboneLocalisation", "backbone": backbone(), "channels": 4, "cells": (2, 3)}
    model = SymmetricSTN(backbone(), head=head, localiser=localiser, test_cfg=TEST)
    model.init_weights()
    model.load_state_dict(plain.state_dict())
    for name, value in plain.backbone.state_dict().items():
        torch.testing.assert_close(model.localiser.backbone.state_dict()[name], value, msg=name)
    shared = {value.data_ptr() for value in model.backbone.state_dict().values()}
    assert not shared & {value.data_ptr() for value in model.localiser.state_dict().values()}
    images = torch.randn(2, 3, 48, 32)
    assert model.eval().localiser(images).tolist() == [[[1, 0, 0], [0, 1, 0]]] * 2

    nn.init.normal_(model.localiser.theta.weight)
    features = model.localiser.backbone(images)[-1]
    assert features.shape[2:] == (12, 8)  # of eight columns the second cell has those from 2 to 5
    cells = [features[:, :, y : y + 6, a:b].mean((2, 3)) for y in (0, 6) for a, b in ((0, 3), (2, 6), (5, 8))]
    weights = model.localiser.theta.weight.view(6, 4, 6)
    expected = sum(cell @ weights[:, :, i].T for i, cell in enumerate(cells)) / 6 + model.localiser.theta.bias
    torch.testing.assert_close(model.localiser(images).flatten(1), expected)

    other = {**localiser, "backbone": {**backbone(), "base_channels": 8, "stem_channels": 8}, "channels": 8}
    model = SymmetricSTN(backbone(), head=head, localiser=other, test_cfg=TEST)
    own = {name: value.clone() for name, value in model.localiser.state_dict().items()}
    model.load_state_dict(plain.state_dict())
    for name, value in own.items():
        torch.testing.assert_close(model.localiser.state_dict()[name], value, msg=name)


def samples(count: int, *names: str) -> list[Any]:
    """What a pipeline packs, with random targets; and the place of every crop."""
    from mmengine.structures import InstanceData, PixelData
    from mmpose.structures import PoseDataSample

    flip = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    found = []
    for _ in range(count):
        meta = {"input_center": np.array([16, 24]), "input_scale": np.array([32, 48]), "input_size": (32, 48)}
        sample = PoseDataSample(metainfo={**meta, "flip_indices": flip})
        sample.gt_fields = PixelData(**{f"{name}heatmaps": torch.rand(17, 12, 8) for name in names})
        weights = {f"{name or 'keypoint_'}weights": torch.ones(1, 17) for name in names}
        sample.gt_instance_labels = InstanceData(**weights)
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        found.append(sample)
    return found


@pytest.mark.parametrize("kind", ["one stage", "two stages"])
def test_with_the_identity_it_is_the_plain_model(kind: str) -> None:
    """In double precision to 1e-12; in single, where positions have seven digits, to 1e-4."""
    head = heads()[kind]
    plain, model = plain_model(head), make(head)
    model.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 48, 32)
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        own, other = model.eval().to(dtype), plain.to(dtype)
        expected, found = other(images.to(dtype), None), own(images.to(dtype), None)
        if kind == "two stages":
            (expected,), (found,) = expected, found
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
    own, other = model.float(), plain.float()
    found, expected = (m(images, samples(2, ""), mode="predict") for m in (own, other))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.pred_instances.keypoints, b.pred_instances.keypoints, atol=1e-3)
        np.testing.assert_allclose(a.pred_instances.keypoint_scores, b.pred_instances.keypoint_scores, atol=1e-4)
    losses = [m.loss(images, samples_of)["loss_kpt"] for samples_of in [samples(2, "")] for m in (own, other)]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-4, rtol=1e-4)


def moved(model: SymmetricSTN) -> SymmetricSTN:
    """With a map that hangs on the image."""
    torch.manual_seed(5)
    nn.init.normal_(model.localiser.theta.weight, std=0.1)
    return model.eval()


def test_what_is_mirrored_is_the_crop_before_the_transformer() -> None:
    """The two passes have maps of their own, and heatmaps are mirrored and averaged behind the inverse."""
    head = heads()["one stage"]
    model = make(head)
    model.load_state_dict(plain_model(head).state_dict())
    moved(model)
    images = torch.randn(1, 3, 48, 32)
    assert (model.localiser(images) - model.localiser(images.flip(-1))).abs().max() > 1e-3

    def maps(image: Tensor) -> Tensor:
        theta = model.localiser(image)
        out: Tensor = transformed(model.head.forward(model.extract_feat(transformed(image, theta))), inverse(theta))
        return out

    flipped = maps(images.flip(-1)).flip(-1)[:, samples(1, "")[0].metainfo["flip_indices"]]
    flipped[..., 1:] = flipped[..., :-1].clone()  # shift_heatmap
    expected = model.head.decode((maps(images) + flipped) / 2)[0]
    (found,) = model(images, samples(1, ""), mode="predict")
    np.testing.assert_allclose(found.pred_instances.keypoints, expected.keypoints, atol=1e-4)


def test_the_parallel_estimator_is_frozen_and_only_in_trainings() -> None:
    head = heads()["one stage"]
    plain, model = plain_model(head), make(head, parallel=True)
    with pytest.raises(OccbenchError, match="needs the weights of a trained estimator: start from one with --init"):
        model.loss(torch.randn(2, 3, 48, 32), samples(2, "", "parallel_"))
    model.load_state_dict(plain.state_dict())
    assert model.parallel is not None
    before = {name: value.clone() for name, value in model.parallel.state_dict().items()}
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(before[name], value)
    with pytest.raises(OccbenchError, match="put CentredTarget behind GenerateTarget"):
        model.loss(torch.randn(2, 3, 48, 32), samples(2, ""))
    moved(model).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = model.loss(torch.randn(2, 3, 48, 32), samples(2, "", "parallel_"))
    losses["loss_parallel"].backward()
    gradient = model.localiser.theta.weight.grad
    assert gradient is not None
    assert gradient.abs().max() > 0  # through the frozen estimator into the localisation net
    assert all(p.grad is None for p in model.head.parameters())
    optimiser.step()
    for name, value in model.parallel.state_dict().items():
        torch.testing.assert_close(value, before[name], msg=name)  # batch norms too

    for name, value in model.state_dict().items():  # a training that goes on
        assert torch.isfinite(value).all(), name
    resumed = make(head, parallel=True)
    resumed.load_state_dict(model.state_dict())
    assert resumed.loss(torch.randn(2, 3, 48, 32), samples(2, "", "parallel_")).keys() == {"loss_kpt", "loss_parallel"}
    tested = make(head)
    tested.load_state_dict(model.state_dict())
    assert not any(name.startswith("parallel.") for name in tested.state_dict())


def test_a_head_without_heatmaps_is_refused() -> None:
    head = {
        "type": "CascadeHead",
        "num_joints": 17,
        "stages": 1,
        "decoder": {"type": "CentredLabel", "input_size": (32, 48)},
    }
    with pytest.raises(OccbenchError, match="its head is a CascadeHead: give a head of heatmaps"):
        make(head)


def test_the_map_finds_a_known_shift_by_the_parallel_loss_alone() -> None:
    """Blobs beside the middle, an estimator that shows blobs where they are, and the target in the middle."""
    torch.manual_seed(2)
    x, y = torch.arange(24.0)[None, :], torch.arange(24.0)[:, None]

    def blob(dx: Tensor, dy: Tensor) -> Tensor:
        away = (x - 11.5 - dx[:, None, None]) ** 2 + (y - 11.5 - dy[:, None, None]) ** 2
        return torch.exp(-away / 18)[:, None].expand(-1, 3, -1, -1)

    net = LocalisationNet(widths=(8, 16), blocks=1)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(100):
        shift = 3 * torch.rand(2, 16) * torch.randn(2, 16).sign()
        seen = transformed(blob(*shift), net(blob(*shift)))
        loss = (seen - blob(torch.zeros(16), torch.zeros(16))).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    shift = torch.tensor([[2.0, -2.0, 0.0], [1.0, 0.0, -2.0]])
    found = net(blob(*shift))[:, :, 2] * 12  # px: half of the side
    assert (found - shift.T).abs().max() < 1.0
