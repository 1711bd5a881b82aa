"""The stacked hourglass: sizes, feedback, supervision, variance, its configs, and its way through MMPose and out."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from occbench.estimators.config import read_config
from occbench.models import HalfSquaredError, Placement, PyramidResidualModule, ResidualUnit, StackedHourglass
from occbench.models.variance import response_variances
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "hourglass_prm"
NARROW = {"channels": 16, "stacks": 2, "placement": "paper", "variance_control": True}


def narrow(**options: Any) -> StackedHourglass:
    torch.manual_seed(0)
    net = StackedHourglass(3, **{**NARROW, **options})
    net.init_weights()
    return net


@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 192), (128, 320)])
@pytest.mark.parametrize("placement", ["none", "paper", "code"])
def test_any_multiple_of_64(height: int, width: int, placement: str) -> None:
    net = narrow(placement=placement)
    net.eval()
    with torch.no_grad():
        found = net(torch.randn(2, 3, height, width))
    assert [tuple(heatmaps.shape) for heatmaps in found] == [(2, 3, height // 4, width // 4)] * 2


@pytest.mark.parametrize(("height", "width"), [(256, 200), (250, 192), (32, 64)])
def test_other_sizes_are_a_clear_error(height: int, width: int) -> None:
    with pytest.raises(OccbenchError, match=rf"multiples of 64 px, but got {width}x{height}") as error:
        narrow()(torch.randn(1, 3, height, width))
    assert "\n" not in str(error.value)
    assert narrow(depth=2).multiple == 16


def test_unknown_names_are_errors() -> None:
    for options in ({"placement": "papers"}, {"pyramid": {"variant": "X"}}):
        with pytest.raises(OccbenchError, match="unknown"):
            narrow(**options)
    with pytest.raises(OccbenchError, match="unknown initialisation"):
        narrow(init="he")


def pyramids(net: StackedHourglass) -> dict[str, bool]:
    units = {name: part for name, part in net.named_modules() if isinstance(part, ResidualUnit)}
    return {name: isinstance(unit, PyramidResidualModule) for name, unit in units.items()}


def test_placements() -> None:
    """By name, as the paper's counts and the authors' code have it."""
    assert not any(pyramids(narrow(placement="none")).values())
    paper = pyramids(narrow(placement="paper", stacks=1))
    above, lowest = "hourglasses.0.inner.inner", "hourglasses.0.inner.inner.inner"
    at_lowest = {f"{lowest}.{part}" for part in ("down", "inner", "up")}
    assert len(paper) == len(pyramids(narrow(placement="none", stacks=1))) == 3 + 13
    assert {name for name, pyramid in paper.items() if not pyramid} == {"stem.3", "stem.5", "stem.6", *at_lowest}
    code = pyramids(narrow(placement="code", stacks=1))
    plain = {f"{above}.down", f"{above}.up", f"{lowest}.upper", *at_lowest}
    assert {name for name, pyramid in code.items() if not pyramid} == plain
    own = narrow(placement={"upper": 4, "lower": 9, "stem": False}, stacks=1)
    assert [name for name, pyramid in pyramids(own).items() if pyramid] == ["hourglasses.0.upper"]
    assert Placement(1, 2, False).stem is False


def test_evaluation_is_batch_independent() -> None:
    net = narrow().double()
    net.eval()
    x = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        alone = torch.cat([net(one[None])[-1] for one in x])
        torch.testing.assert_close(net(x)[-1], alone, rtol=1e-10, atol=1e-12)


def test_heatmaps_and_features_go_into_the_next_stack() -> None:
    net = narrow()
    net.eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        first, second = net(x)
        net.remap_heatmaps[0].weight.zero_()
        again = net(x)
        assert torch.equal(first, again[0])
        assert not torch.equal(second, again[1])
        net.remap_features[0].weight.zero_()
        assert not torch.equal(again[1], net(x)[1])


def test_loss_is_half_the_sum_of_squares() -> None:
    torch.manual_seed(0)
    output, target = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    weights = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    expected = 0.5 * sum(
        float(weights[n, k]) * float(((target[n, k] - output[n, k]) ** 2).sum()) for n in range(2) for k in range(3)
    )
    assert float(HalfSquaredError()(output, target, weights)) == pytest.approx(expected, rel=1e-6)
    everything = float(HalfSquaredError(use_target_weight=False, loss_weight=2)(output, target, weights))
    assert everything == pytest.approx(float(((output - target) ** 2).sum()), rel=1e-6)


def test_variance_is_controlled() -> None:
    """Section 4.2, Fig. 6: Eq. 15 and the conv skips hold it within a factor of 4 over eight stacks, MSR does not."""
    ratios, last = {}, {}
    for init, control in (("branches", True), ("msr", False)):
        net = narrow(stacks=8, channels=32, variance_control=control, init=init)
        variances = response_variances(net, torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
        assert [len(levels) for levels in variances] == [4] * 8
        stacks = [levels[-1] for levels in variances]
        ratios[init], last[init] = max(stacks) / min(stacks), stacks[-1]
    assert ratios["branches"] < 4 < 5 < ratios["msr"]
    assert last["msr"] > 20 * last["branches"]


def test_heatmaps_can_begin_near_nothing() -> None:
    usual, near = narrow(), narrow(heatmap_std=1e-3)
    before = usual.state_dict()  # which takes a while to gather
    changed = {name for name, value in near.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"heatmaps.0.weight", "heatmaps.1.weight"}
    x = torch.randn(2, 3, 64, 64)
    for first, second in zip(usual(x), near(x), strict=True):
        assert second.std() < 0.01 < 0.1 < first.std()


def test_weights_load_without_unpickling(tmp_path: Path) -> None:
    net = narrow(placement="code")
    net(torch.randn(2, 3, 64, 64))  # moves the statistics
    torch.save(net.state_dict(), tmp_path / "w.pth")
    copy = StackedHourglass(3, **{**NARROW, "placement": "code"})
    copy.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    net.eval(), copy.eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(net(x)[-1], copy(x)[-1])


def test_bfloat16_gives_single_precision_heatmaps() -> None:
    net = narrow()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(torch.randn(2, 3, 64, 64))
        loss = HalfSquaredError()(found[-1], torch.zeros_like(found[-1]))
    assert {heatmaps.dtype for heatmaps in found} == {torch.float32}
    loss.backward()
    assert all(p.grad is not None for name, p in net.named_parameters() if "hourglasses.0" in name)


@pytest.mark.parametrize("variant", ["B*", "C", "D"])
def test_exports_to_onnx(variant: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net = narrow(stacks=1, pyramid={"variant": variant})
    net.eval()
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3, 64, 64),), file, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False
        )
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    x = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        expected = net(x)[-1].numpy()
    np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[-1], expected, atol=1e-4 * np.abs(expected).max())


# Configs


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_config(path: Path) -> None:
    """Every one is built by MMPose, and is what its name says; the schedule is that of Section 5.1.1."""
    from mmpose.models import build_pose_estimator
    from mmpose.registry import TRANSFORMS

    config = read_config(path)
    with torch.device("meta"):
        model = build_pose_estimator(config.model)
    name, _, size = path.stem.rpartition("_")[0], *path.stem.rpartition("_")[1:]
    height, width = (int(side) for side in size.partition("-")[2].split("x"))
    assert tuple(config.codec.input_size) == (width, height)
    assert model.head.num_stages == len(model.backbone.hourglasses) == (8 if "8" in name else 2)
    assert model.backbone.heatmaps[0].out_channels == (16 if "mpii" in size else 17)
    prms = [part for part in model.modules() if isinstance(part, PyramidResidualModule)]
    assert bool(prms) == ("prm" in name)
    assert ("hourglasses.0.up.skip.2.weight" in dict(model.backbone.named_parameters())) == ("controlled" in name)
    assert config.optim_wrapper.optimizer == {"type": "RMSprop", "lr": 7e-4}
    assert (config.train_cfg.max_epochs, config.param_scheduler[0].milestones) == (200, [150, 170])
    assert config.train_dataloader.batch_size == 16
    for step in config.train_dataloader.dataset.pipeline:
        TRANSFORMS.build(step)


def narrow_config(folder: Path) -> Path:
    path = folder / "narrow.py"
    path.write_text(
        f"_base_ = [{str(CONFIGS / '_base_' / 'coco.py')!r}]\n"
        "model = dict(backbone=dict(stacks=2, channels=16, placement='paper'), head=dict(num_stages=2))\n"
    )
    return path


def test_every_stack_is_supervised_and_the_last_is_decoded(tmp_path: Path) -> None:
    """Through MMPose's estimator and CPMHead: the loss of each stack, and the keypoints of the last alone."""
    from mmengine.structures import InstanceData, PixelData
    from mmpose.models import build_pose_estimator
    from mmpose.structures import PoseDataSample

    torch.manual_seed(0)
    model = build_pose_estimator(read_config(narrow_config(tmp_path)).model)
    model.init_weights()
    images, target = torch.randn(2, 3, 256, 192), torch.rand(2, 17, 64, 48)
    weights = np.ones((1, 17), np.float32)
    weights[0, 3] = 0
    samples = []
    for heatmaps in target:
        sample = PoseDataSample(gt_fields=PixelData(heatmaps=heatmaps))
        sample.gt_instance_labels = InstanceData(keypoint_weights=torch.from_numpy(weights))
        samples.append(sample)
    model.eval()
    loss = model.loss(images, samples)["loss_kpt"]
    found = model.backbone(images)
    labelled = [k for k in range(17) if k != 3]
    expected = sum(0.5 * (heatmaps - target)[:, labelled].square().sum() for heatmaps in found)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    loss.backward()
    for stack in range(2):
        gradient = model.backbone.heatmaps[stack].bias.grad
        own = (found[stack] - target).sum((0, 2, 3))
        assert gradient is not None
        if stack == 1:  # the first stack's heatmaps also change the second's
            torch.testing.assert_close(gradient[labelled], own[labelled], rtol=1e-4, atol=1e-2)
            assert gradient[3] == 0
        assert gradient[labelled].all()


def test_attacks_run_over_it_as_over_any_other(tmp_path: Path) -> None:
    """Batched decoding of the last stack: the keypoints of MMPose's own test step, clean and attacked."""
    from mmpose.models import build_pose_estimator

    from occbench.attacks import COCO, Attack
    from occbench.data.coco import read_coco
    from occbench.data.synthetic import generate
    from occbench.estimators.pose_model import PoseModel
    from occbench.inference.engine import predict_cells

    people = generate(2, 3, tmp_path / "set")
    path = narrow_config(tmp_path)
    torch.manual_seed(0)
    random = build_pose_estimator(read_config(path).model)
    random.init_weights()
    torch.save(random.state_dict(), tmp_path / "random.pth")
    persons = read_coco(people, people.parent / "images").persons
    found = []
    for batched in (False, True):
        model = PoseModel(path, tmp_path / "random.pth")
        if batched:
            model.use("torch", sample=list(model.crops.cut_all(persons)))
            assert model.about_backend()["decoding"] == "batched"
        cells, _ = predict_cells(model, persons, [Attack("part", "meanout", "corpus")], COCO)
        found.append(cells)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.keypoints, theirs.keypoints, atol=1e-3)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
    assert found[0][1].attacked.any()
    assert np.abs(found[0][0].keypoints - found[0][1].keypoints).max() > 1


def test_zoo_names() -> None:
    from mmengine.config import Config

    for name in ("hourglass-prm", "mpii-hourglass-prm", "hourglass-prm-2", "hourglass-prm-a", "mpii-hourglass-8"):
        model = find_model(name)
        config = Config.fromfile(str(model.config_path))
        assert model.input_size == tuple(config.codec.input_size)
        assert model.dataset == ("mpii" if config.model.head.out_channels == 16 else "coco")
        assert model.checkpoint is None
