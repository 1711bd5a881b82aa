"""HigherHRNet: network, names of weights, losses and geometry, held to the published implementation's numbers.

golden/higherhrnet holds what that implementation made of seeded noise; weights are made again by the recipe of
:func:`by_recipe`.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import occbench.models  # noqa: F401 (registers the modules)
from occbench.attacks import COCO
from occbench.estimators.config import load_config
from occbench.models.complexity import config_complexity
from occbench.models.higherhrnet.aggregate import joined_scales
from occbench.models.higherhrnet.estimator import own_name
from occbench.models.higherhrnet.loss import heatmap_loss, tag_losses
from occbench.models.higherhrnet.transforms import input_of, matrix_of, regions
from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import load_into
from occbench.weights.zoo import find_model

GOLDEN = Path(__file__).parent / "golden" / "higherhrnet"


def read(name: str) -> Any:
    path = GOLDEN / name
    return json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path, allow_pickle=False))


def build(name: str, width: int | None = None) -> Any:
    """A model of the zoo with random weights, narrower where a width is given."""
    from mmpose.models import build_pose_estimator

    config = load_config(find_model(name).config_path)
    config.model.backbone.pop("init_cfg", None)
    if width is not None:
        for branches, stage in enumerate(("stage2", "stage3", "stage4"), 2):
            config.model.backbone.extra[stage].num_channels = tuple(width * 2**i for i in range(branches))
        config.model.head.update(in_channels=width, deconv_channels=(width,))
    return build_pose_estimator(config.model).eval()


def official_names(net: Any) -> dict[str, tuple[int, ...]]:
    names = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    return {name.removeprefix("backbone.").removeprefix("head."): shape for name, shape in names.items()}


def by_recipe(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    weights = {}
    for name, shape in shapes.items():
        rs = np.random.RandomState(zlib.crc32(name.encode()))
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            weights[name] = torch.zeros(shape, dtype=torch.int64)
            continue
        if kind == "running_var":
            values = 0.5 + rs.random_sample(shape)
        elif kind == "running_mean":
            values = 0.1 * rs.standard_normal(shape)
        elif len(shape) == 1:
            values = 0.2 + 0.4 * rs.random_sample(shape) if kind == "weight" else 0.1 * rs.standard_normal(shape)
        else:
            values = rs.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        weights[name] = torch.tensor(np.asarray(values, np.float32))
    return weights


def outputs(net: Any, images: np.ndarray) -> list[Tensor]:
    with torch.no_grad():
        found: list[Tensor] = net(torch.tensor(images), None, mode="tensor")
    return found


@pytest.fixture(scope="module")
def narrow() -> Any:
    """W8 with weights by the recipe, loaded under the authors' names."""
    net = build("higherhrnet-w32", 8)
    load_into(net, by_recipe(official_names(net)), "recipe")
    return net


# The network


def test_outputs_of_a_narrow_network(narrow: Any) -> None:
    golden = read("network_w8_recipe.npz")
    low, high = outputs(narrow, golden["input"])
    np.testing.assert_allclose(low, golden["out_low"], atol=2e-5)
    np.testing.assert_allclose(high, golden["out_high"], atol=2e-5)


def test_outputs_at_full_width() -> None:
    golden = read("network_full_width.json")["w32"]
    net = build("higherhrnet-w32")
    load_into(net, by_recipe(official_names(net)), "recipe")
    images = np.random.RandomState(39).standard_normal((1, 3, 256, 320)).astype(np.float32)
    for found, name in zip(outputs(net, images), ("low", "high"), strict=True):
        assert list(found.shape) == golden[name]["shape"]
        assert found.double().mean().item() == pytest.approx(golden[name]["mean"], rel=1e-4)
        assert found.double().std(unbiased=False).item() == pytest.approx(golden[name]["std"], rel=1e-4)
        assert found.double().abs().sum().item() == pytest.approx(golden[name]["abs_sum"], rel=1e-4)
        for place, value in golden[name]["samples"]:
            assert found[tuple(place)].item() == pytest.approx(value, abs=2e-5)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds", "published"),
    [
        ("higherhrnet-w32", 28_645_331, 46.20, 47.9),
        ("higherhrnet-w48", 63_827_139, 149.47, 154.3),
    ],
)
def test_counts_are_the_published_ones(name: str, parameters: int, multiply_adds: float, published: float) -> None:
    found = config_complexity(find_model(name).config_path)
    assert found.parameters == parameters
    assert found.gflops / 2 == pytest.approx(multiply_adds, abs=0.005)
    assert found.published == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("deconvs", [0, 1, 2])
def test_any_number_of_doubled_resolutions(deconvs: int) -> None:
    from occbench.models import HigherHRNetHead

    head = HigherHRNetHead(4, 3, deconv_channels=[5] * deconvs, blocks=1, concatenate=[i == 0 for i in range(deconvs)])
    head.init_weights()
    found = head((torch.randn(2, 4, 8, 6),))
    expected = [(2, 6, 8, 6), (2, 3, 16, 12), (2, 3, 32, 24)]
    assert [tuple(one.shape) for one in found] == expected[: deconvs + 1]
    assert all(one.abs().max() < 0.1 for one in found)  # they begin near nothing


def test_concatenate_goes_with_the_levels() -> None:
    from occbench.models import HigherHRNetHead

    with pytest.raises(OccbenchError, match="of each of deconv_channels"):
        HigherHRNetHead(4, 3, deconv_channels=[5], concatenate=[True, False])


# Weights of other publishers


def test_weights_of_mmpose_0x_load_as_the_authors(narrow: Any) -> None:
    theirs = {}
    for name, value in by_recipe(official_names(narrow)).items():
        part = "keypoint_head." if name.startswith(("final_layers", "deconv_layers")) else "backbone."
        theirs[part + name] = value
    other = build("higherhrnet-w32", 8)
    load_into(other, theirs, "theirs")
    found = other.state_dict()
    assert all(torch.equal(found[name], value) for name, value in narrow.state_dict().items())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.weight", "backbone.conv1.weight"),
        ("stage4.2.fuse_layers.0.3.0.weight", "backbone.stage4.2.fuse_layers.0.3.0.weight"),
        ("final_layers.1.bias", "head.final_layers.1.bias"),
        ("deconv_layers.0.0.1.running_mean", "head.deconv_layers.0.0.1.running_mean"),
        ("keypoint_head.deconv_layers.0.4.0.bn2.bias", "head.deconv_layers.0.4.0.bn2.bias"),
        ("head.final_layers.0.bias", "head.final_layers.0.bias"),
        ("backbone.bn1.weight", "backbone.bn1.weight"),
    ],
)
def test_names(theirs: str, ours: str) -> None:
    assert own_name(theirs) == ours


def test_a_missing_weight_is_refused(narrow: Any) -> None:
    weights = by_recipe(official_names(narrow))
    del weights["deconv_layers.0.0.0.weight"]
    with pytest.raises(OccbenchError, match=r"1 missing \(head.deconv_layers.0.0.0.weight\)"):
        load_into(build("higherhrnet-w32", 8), weights, "broken")


# Scales, mirror images


@pytest.mark.parametrize(("case", "scales"), [("one", ("",)), ("three", ("s1_", "s2_", "s0.5_"))])
def test_aggregation_over_levels_mirror_images_and_scales(case: str, scales: tuple[str, ...]) -> None:
    golden = {name: torch.tensor(value) for name, value in read("aggregate.npz").items()}  # nose and eyes alone
    given = [
        [[golden[f"{case}/{scale}{level}{mirrored}"] for level in ("low", "high")] for mirrored in ("", "_of_flipped")]
        for scale in scales
    ]
    heatmaps, tags = joined_scales(given, 3, [0, 2, 1], (64, 96))
    np.testing.assert_allclose(heatmaps[:, :, ::3, ::3], golden[f"{case}/final_heatmaps"], atol=1e-5)
    np.testing.assert_allclose(tags[:, :, ::3, ::3], golden[f"{case}/tags"], atol=1e-5)
    if case == "one":
        heatmaps, tags = joined_scales(given, 3, [0, 2, 1])
        np.testing.assert_allclose(heatmaps[:, :, ::3, ::3], golden["one/final_heatmaps_unprojected"], atol=1e-5)
        np.testing.assert_allclose(tags[:, :, ::3, ::3], golden["one/tags_unprojected"], atol=1e-5)


def test_prediction_is_in_px_of_the_input_however_large_its_maps_are() -> None:
    from mmpose.structures import PoseDataSample

    net = build("higherhrnet-mini")
    mirror = list(COCO.flip_indices)
    sample = PoseDataSample(metainfo={"img_shape": (64, 128), "flip_indices": mirror})
    net.head.decoder.threshold = -1.0
    net.requires_grad_(False)
    feats = [net.extract_feat(x) for x in (torch.randn(1, 3, 64, 128), torch.randn(1, 3, 64, 128))]
    found = {}
    for project in (True, False):
        (one,), (maps,) = net.head.predict(
            feats, [sample], {"flip_test": True, "project2image": project, "output_heatmaps": True}
        )
        assert tuple(maps.heatmaps.shape) == ((17, 64, 128) if project else (17, 32, 64))
        found[project] = one.keypoints
    assert found[False].max() > 64  # of 128
    assert found[True].max() <= 128.5


# Losses


def test_losses_and_their_gradients() -> None:
    arrays, values = read("loss.npz"), read("loss.json")
    low = torch.tensor(arrays["low"], requires_grad=True)
    masks = torch.tensor(arrays["mask_low"])[:, None]
    heat = heatmap_loss(low[:, :17], torch.tensor(arrays["gt_low"]), masks)
    push, pull = zip(*map(tag_losses, low[:, 17:], torch.tensor(arrays["joints"])), strict=True)
    push, pull = 1e-3 * torch.stack(push), 1e-3 * torch.stack(pull)
    np.testing.assert_allclose(heat.detach(), values["heatmap_low"], rtol=1e-5)
    np.testing.assert_allclose(push.detach(), values["push"], rtol=1e-5)
    np.testing.assert_allclose(pull.detach(), values["pull"], rtol=1e-5)
    total = heat.mean() + push.mean() + pull.mean()
    total.backward()
    high = np.mean(values["heatmap_high"])  # the same function of the other level
    assert total.item() + high == pytest.approx(values["total"], rel=1e-5)
    grad = low.grad.numpy()  # type: ignore[union-attr]
    np.testing.assert_allclose(grad.ravel()[arrays["at"]], arrays["grad"], rtol=1e-5, atol=1e-11)
    np.testing.assert_allclose(grad[:, 17:].ravel()[arrays["at_tags"]], arrays["grad_tags"], rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("persons", [0, 1, 2, 30])
def test_tag_losses_of_any_number_of_persons(persons: int) -> None:
    """Held to the formulas, written out with loops."""
    rs = np.random.RandomState(persons)
    tags = torch.tensor(rs.standard_normal((3, 8, 8)), requires_grad=True)
    indices = torch.tensor(np.stack([rs.randint(0, 192, (persons, 3)), rs.random_sample((persons, 3)) > 0.3], -1))
    push, pull = tag_losses(tags, indices)
    (push + pull).backward()
    read_tags = [[tags.flatten()[i].item() for i, there in person if there] for person in indices.tolist()]
    means = [float(np.mean(person)) for person in read_tags if person]
    pulls = [np.var(person) for person in read_tags if person]
    pairs = [np.exp(-((a - b) ** 2)) for i, a in enumerate(means) for j, b in enumerate(means) if i != j]
    assert pull.item() == pytest.approx(np.mean(pulls) if pulls else 0)
    assert push.item() == pytest.approx(0.5 * np.mean(pairs) if pairs else 0)
    assert tags.grad is not None
    assert torch.isfinite(tags.grad).all()


# Geometry and masks


def test_inputs_of_photos() -> None:
    for case in read("geometry.json")["test_resize"]:
        size, centre, shown = input_of(case["w"], case["h"], 512)
        assert list(size) == case["input_wh"]
        np.testing.assert_allclose(matrix_of(size, centre, shown), case["matrix"], atol=1e-4)
        inverse = np.array([[shown[0] / size[0], 0, centre[0] - shown[0] / 2], [0, shown[1] / size[1], 0]])
        inverse[1, 2] = centre[1] - shown[1] / 2  # as MMPose's estimators go back
        np.testing.assert_allclose(inverse, case["inverse"], atol=1e-4)


def test_mmposes_training_affine_is_the_authors() -> None:
    from mmpose.structures.bbox import get_warp_matrix

    for case in read("geometry.json")["train_affine"]:
        size = np.array([case["scale"] * 200] * 2)
        found = get_warp_matrix(np.array(case["center"], float), size, case["rot"], (case["res"],) * 2)
        np.testing.assert_allclose(found, case["matrix"], atol=1e-4)


def test_regions_of_polygons_and_of_run_lengths() -> None:
    square = [2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]
    counts = {"size": [10, 12], "counts": [100, 20]}  # the last two columns
    found = regions([[square], counts, None, []], (10, 12))
    assert found[3:5, 3:5].all()
    assert found[:, 10:].all()
    assert 16 <= found[:, :10].sum() <= 25
    assert not regions([], (10, 12)).any()


def test_what_counts_is_warped_into_every_level_and_mirrored() -> None:
    from occbench.models import CountingRegions

    results: dict[str, Any] = {
        "img_shape": (64, 64),
        "invalid_segs": [[[0.0, 0.0, 16.0, 0.0, 16.0, 64.0, 0.0, 64.0]]],
        "heatmaps": [np.zeros((17, 16, 16)), np.zeros((17, 32, 32))],
        "input_size": (64, 64),
        "warp_mat": np.array([[1.0, 0, 0], [0, 1, 8]]),  # 8 px further down
    }
    low, high = CountingRegions().transform(dict(results))["heatmap_mask"]
    assert low.shape == (1, 16, 16)
    assert not low[0, :, :4].any()
    assert not low[0, :2].any()  # above the photo
    assert low[0, 2:, 5:].all()
    assert not high[0, :, :8].any()
    assert high[0, 5:, 9:].all()
    mirrored, _ = CountingRegions().transform({**results, "flip": True})["heatmap_mask"]
    np.testing.assert_array_equal(mirrored, low[..., ::-1])
