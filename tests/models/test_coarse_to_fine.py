"""The modules of coarse-to-fine heatmaps: worked numbers, counts, receptive fields, and oracles that loop."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from occbench.models import (
    CoarseToFineHead,
    CropWindows,
    FineNetwork,
    LocalContrastNorm,
    MapSquaredError,
    MultiResolutionBanks,
    PersonTree,
    SpatialDropout,
)
from occbench.models.coarse_to_fine import GaussianPyramid, gaussian_maps, marginals, most_likely, stages_of
from occbench.models.coarse_to_fine.banks import enlarged
from occbench.models.coarse_to_fine.mirror import mirrored_maps, mirrored_points
from occbench.models.coarse_to_fine.windows import peaks, to_cells, to_px
from occbench.system.errors import OccbenchError

NARROW: Mapping[str, Any] = {"maps": 6, "context": 8}


@pytest.fixture(scope="module")
def golden() -> Mapping[str, Tensor]:
    with np.load(Path(__file__).parent / "golden" / "coarse_to_fine.npz") as found:
        return {name: torch.from_numpy(found[name]) for name in found}


def parameters(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


@pytest.mark.parametrize(
    ("keypoints", "coarse", "fine"),
    [(7, 18_613_255, 4_951_559), (14, 18_615_054, 4_953_358), (17, 18_615_825, 4_954_129)],
)
def test_parameters(keypoints: int, coarse: int, fine: int) -> None:
    with torch.device("meta"):
        head = CoarseToFineHead(keypoints, fine={})
        assert parameters(MultiResolutionBanks(8), head.coarse) == coarse
        assert parameters(head) - parameters(head.coarse) == fine
        assert parameters(MultiResolutionBanks(4), head.coarse) == coarse
        if keypoints == 14:
            assert parameters(MultiResolutionBanks(shared=True), head.coarse) == 6_338_830
            standard = FineNetwork(14, source="image", depth=5)
            assert parameters(standard) == pytest.approx(fine, rel=0.01)


@pytest.mark.parametrize(("pooling", "field"), [(4, 64), (8, 100), (16, 204)])
def test_receptive_field_of_a_cell_before_the_1x1(pooling: int, field: int) -> None:
    """By the support of the gradient; with mean pooling and positive weights it is all that a maximum may hang on."""
    bank = MultiResolutionBanks(pooling, maps=2, context=2, banks=1).banks[0]
    x = torch.ones(1, 3, 416, 32, dtype=torch.float64, requires_grad=True)
    y = x
    for conv, pool in zip(bank.convs, bank.pools, strict=True):
        y = conv.double()(y)
        y = nn.functional.avg_pool2d(y, pool) if pool > 1 else y
        nn.init.constant_(conv.weight, 1.0)
    y = x
    for conv, pool in zip(bank.convs, bank.pools, strict=True):
        y = conv(y)
        y = nn.functional.avg_pool2d(y, pool) if pool > 1 else y
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    assert x.grad is not None
    rows = (x.grad[0] != 0).any(0).any(1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == field


@pytest.mark.parametrize(
    ("size", "pooling", "heatmap"),
    [
        *(((256, 256), pooling, (256 // pooling,) * 2) for pooling in (4, 8, 16)),
        *(((320, 240), pooling, found) for pooling, found in ((4, (80, 60)), (8, (40, 30)), (16, (20, 15)))),
        *(((360, 240), pooling, found) for pooling, found in ((4, (90, 60)), (8, (45, 30)), (16, (22, 15)))),
    ],
)
@torch.no_grad()
def test_map_sizes(size: tuple[int, int], pooling: int, heatmap: tuple[int, int]) -> None:
    total, *rest = MultiResolutionBanks(pooling, maps=2, context=3)(torch.rand(1, 3, size[1], size[0]))
    assert total.shape == (1, 3, heatmap[1], heatmap[0])
    scales = [(2**bank * layer) for bank in range(3) for layer in (1, 2)]
    assert [tuple(m.shape[2:]) for m in rest[:6]] == [(size[1] // s, size[0] // s) for s in scales]
    assert [tuple(m.shape[2:]) for m in rest[6:]] == [(size[1] // s, size[0] // s) for s in (1, 2, 4)]


def test_lcn(golden: Mapping[str, Tensor]) -> None:
    x = golden["lcn/x"]
    for floor, name in (("threshold", "divided_threshold"), ("mean", "divided_mean_std")):
        torch.testing.assert_close(LocalContrastNorm(floor=floor)(x), golden[f"lcn/{name}"], atol=1e-6, rtol=0)
    given = golden["lcn/kernel_1d"]
    torch.testing.assert_close(LocalContrastNorm().kernel(torch.float64), given / given.sum())
    constant = LocalContrastNorm()(torch.full((1, 3, 20, 20), 0.7))
    assert constant.abs().max() < 1e-2  # rounding over the threshold of 1e-4


def test_pyramid_and_enlarging_keep_points_where_they_are() -> None:
    ramp = torch.arange(240, dtype=torch.float64).expand(1, 3, 16, 240)
    for level, image in enumerate(GaussianPyramid(3)(ramp)):
        columns = to_px(torch.arange(image.shape[-1], dtype=torch.float64), 2**level)
        torch.testing.assert_close(image[0, 0, 2, 2:-2], columns[2:-2])
    cells = to_px(torch.arange(7, dtype=torch.float64), 32).expand(1, 1, 7, 7)  # seven cells of 32 px in 240
    large = enlarged(cells, 4, torch.empty(1, 1, 30, 30))[0, 0, 0]
    expected = to_px(torch.arange(30, dtype=torch.float64), 8)
    torch.testing.assert_close(large[2:26], expected[2:26])
    assert (large[26:] == cells[0, 0, 0, -1]).all()


def test_windows_of_a_ramp(golden: Mapping[str, Tensor]) -> None:
    """Windows at every stride lie around the same point, 39.5 / 27.5, half-way between px."""
    windows = CropWindows(int(golden["crop_ramp/window"]))
    centre = golden["crop_ramp/center"].double()[None, None]
    for stride in (1, 2, 4, 8):
        cells = [to_px(torch.arange(96 // stride, dtype=torch.float64), stride)] * 2
        ramp = torch.stack(torch.meshgrid(*cells, indexing="ij"))[None]
        found = windows(ramp, centre, stride)[0]
        torch.testing.assert_close(found.float(), golden[f"crop_ramp/stride{stride}"], atol=1e-6, rtol=0)
        torch.testing.assert_close(found.mean((1, 2)), centre[0, 0].flip(0), atol=1e-6, rtol=0)


@torch.no_grad()
def test_windows_are_a_loop_over_crops_joints_and_cells() -> None:
    rng = torch.Generator().manual_seed(0)
    maps, centres = torch.randn(2, 3, 9, 12, generator=rng), torch.rand(2, 4, 2, generator=rng) * 44 - 4
    for border in ("zeros", "border"):
        found = CropWindows(12, border)(maps, centres, 4).unflatten(0, (2, 4))
        for crop, joint, row, column in product(range(2), range(4), range(3), range(3)):
            x, y = (to_cells(centres[crop, joint], 4) + torch.tensor([column - 1, row - 1])).tolist()
            value = torch.zeros(3)
            for v, u in product((int(np.floor(y)), int(np.floor(y)) + 1), (int(np.floor(x)), int(np.floor(x)) + 1)):
                weight = (1 - abs(x - u)) * (1 - abs(y - v))
                inside = 0 <= v < 9 and 0 <= u < 12
                at = maps[crop, :, min(max(v, 0), 8), min(max(u, 0), 11)]
                value += weight * at if inside or border == "border" else 0
            torch.testing.assert_close(found[crop, joint, :, row, column], value, atol=1e-5, rtol=1e-4)


def test_gradients_of_windows_add_up() -> None:
    maps = torch.zeros(1, 2, 16, 16, dtype=torch.float64, requires_grad=True)
    centres = torch.tensor([[[7.5, 7.5], [9.5, 7.5]]], dtype=torch.float64)
    CropWindows(4)(maps, centres, 1).sum().backward()
    expected = torch.zeros(16, 16, dtype=torch.float64)
    expected[6:10, 6:10] += 1
    expected[6:10, 8:12] += 1
    assert maps.grad is not None
    torch.testing.assert_close(maps.grad[0, 0], expected)


def test_losses_and_joints_of_the_worked_numbers(golden: Mapping[str, Tensor]) -> None:
    given = {name.removeprefix("loss/"): value[None] for name, value in golden.items() if name.startswith("loss/")}
    joints, size = given["joint_xy"], (16, 12)
    coarse = gaussian_maps(torch.tensor([[[3, 4], [10.4, 7.6], [15, 0]]], dtype=torch.float64), size, 1.5)
    torch.testing.assert_close(coarse, given["coarse_target"])
    cells = peaks(coarse)
    assert cells.long().tolist() == given["coarse_cells"].tolist()
    fine = gaussian_maps(joints - to_px(cells, 8) + 15.5, (32, 32), 1.5)
    torch.testing.assert_close(fine, given["fine_target"])
    loss, weights = MapSquaredError(), torch.ones(1, 3)
    e1 = loss(given["coarse_pred"], coarse, weights)
    e2 = loss(given["fine_pred"], fine, weights)
    assert float(e1) == pytest.approx(57.98421553412275, abs=1e-6)
    assert float(e2) == pytest.approx(325.37273268552144, abs=1e-6)
    head = CoarseToFineHead(3, fine={"maps": 2}, window=32)
    places = to_px(torch.tensor([[[3, 4], [10.4, 7.6], [15, 0]]], dtype=torch.float64), 8)
    assert float(head.coarse_loss(given["coarse_pred"], places, weights)) == pytest.approx(float(e1))
    again = head.fine_loss(given["fine_pred"], to_px(cells, 8), joints, weights)
    assert float(e1 + head.fine_weight * again) == pytest.approx(90.5214888026749, abs=1e-6)
    found = head.points((coarse, to_px(cells, 8), fine))
    assert found[1][0].tolist() == [[27, 36], [84, 60], [124, 2]]


def test_joints_outside_of_their_window_do_not_count() -> None:
    head = CoarseToFineHead(2, fine={"maps": 2})
    maps, centres = torch.rand(1, 2, 40, 40), torch.tensor([[[50.0, 50.0], [50.0, 50.0]]])
    places = torch.tensor([[[69.0, 50.0], [71.0, 50.0]]])
    both = head.fine_loss(maps, centres, places, torch.ones(1, 2))
    first = MapSquaredError()(maps, gaussian_maps(places - centres + 19.5, (40, 40), 1.5), torch.tensor([[1.0, 0.0]]))
    assert both == first
    assert head.fine_loss(maps, centres, places, torch.zeros(1, 2)) == 0


def test_spatial_dropout_drops_whole_maps_of_each_sample() -> None:
    torch.manual_seed(0)
    drop = SpatialDropout(0.5)
    found = drop(torch.ones(8, 32, 5, 5))
    kept = found.flatten(2)
    assert ((kept == 0).all(2) | (kept == 2).all(2)).all()
    assert 0.3 < (kept[..., 0] == 0).float().mean() < 0.7
    assert (kept[0, :, 0] != kept[1, :, 0]).any()
    assert (drop.eval()(torch.ones(1, 4, 2, 2)) == 1).all()


@torch.no_grad()
def test_fine_network_is_siamese_but_for_the_last_layer() -> None:
    torch.manual_seed(0)
    network = FineNetwork(3, maps=4, hidden=5).eval()
    windows = [torch.randn(6, 4, 8 // stride, 8 // stride) for stride in network.strides]
    whole = network(windows)
    assert whole.shape == (2, 3, 8, 8)
    for crop, joint in product(range(2), range(3)):
        total = torch.zeros(1, 4, 8, 8)
        for bank, window in zip(network.banks, windows, strict=True):
            maps = bank(window[3 * crop + joint][None])
            total += nn.functional.interpolate(maps, size=(8, 8), mode="bilinear", align_corners=False)
        hidden = network.joined(total).relu()
        weight = network.own.weight[joint, :, 0, 0]
        expected = torch.einsum("c,chw->hw", weight, hidden[0]) + network.own.bias[joint]
        torch.testing.assert_close(whole[crop, joint], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_head_looks_where_the_coarse_maximum_is() -> None:
    torch.manual_seed(0)
    backbone, head = (
        MultiResolutionBanks(8, **NARROW).eval(),
        CoarseToFineHead(3, coarse={"context": 8, "hidden": 8}, fine={"maps": 6, "hidden": 8}, window=24),
    )
    head.eval()
    feats = backbone(torch.rand(2, 3, 64, 96))
    heatmaps, centres, fine = head(feats)
    assert fine.shape == (2, 3, 24, 24)
    for crop, joint in product(range(2), range(3)):
        row, column = np.unravel_index(int(heatmaps[crop, joint].argmax()), (8, 12))
        assert centres[crop, joint].tolist() == [column * 8 + 3.5, row * 8 + 3.5]
    torch.testing.assert_close(head.look(feats, centres), fine)
    with pytest.raises(OccbenchError, match=r"made for 4x pooling, but the backbone makes 12 cells of 96 px"):
        CoarseToFineHead(3, pooling=4, coarse={"context": 8})(feats)
    with_image = CoarseToFineHead(3, coarse={"context": 8}, fine={"source": "image", "maps": 6, "depth": 3}, window=24)
    assert with_image.eval()(feats)[2].shape == (2, 3, 24, 24)


def test_mirrored_maps_and_points() -> None:
    """Also where the width is no whole number of cells: 22.5 cells of 16 px in 360."""
    mirror, width = (1, 0), 360
    point = torch.tensor([[[100.0, 3.0], [250.0, 3.0]]], dtype=torch.float64)
    for pooling, columns in ((8, 45), (16, 22)):
        there = gaussian_maps(to_cells(mirrored_points(point, mirror, width), pooling), (columns, 4), 3.0)
        here = gaussian_maps(to_cells(point, pooling), (columns, 4), 3.0)
        found = mirrored_maps(there, mirror, width / pooling)
        torch.testing.assert_close(found[..., 1:], here[..., 1:], atol=0.02, rtol=0)  # nothing lies before the first
    torch.testing.assert_close(mirrored_points(mirrored_points(point, mirror, width), mirror, width), point)


def test_tree_by_enumeration(golden: Mapping[str, Tensor]) -> None:
    edges = [(int(a), int(b)) for a, b in golden["tree_mrf/edges"]]
    priors = [golden[f"tree_mrf/prior_{a}_{b}"] for a, b in edges]
    unary = golden["tree_mrf/unary"]
    found = marginals(unary[None], edges, priors)[0]
    torch.testing.assert_close(found, golden["tree_mrf/marginals"], atol=1e-6, rtol=0)
    assert most_likely(unary, edges, priors).tolist() == golden["tree_mrf/map_yx"].tolist()


def test_person_tree_attenuates_another_person() -> None:
    tree = PersonTree(2, [(-1, 0), (0, 1)], (15, 15), blur=1.0)
    own, other = torch.tensor([[[7.0, 4.0], [7.0, 10.0]]]), torch.tensor([[[1.0, 4.0], [1.0, 10.0]]])
    for _ in range(20):
        tree.count(own, torch.ones(1, 2), (15, 15))
    maps = gaussian_maps(own, (15, 15), 1.0) + 1.2 * gaussian_maps(other, (15, 15), 1.0)
    assert peaks(maps)[0].tolist() == other[0].tolist()
    found = tree(maps)
    assert peaks(found)[0].tolist() == own[0].tolist()
    torch.testing.assert_close(found.amax((2, 3)), maps.amax((2, 3)))
    assert torch.isfinite(PersonTree(2, [(-1, 0), (0, 1)], (15, 15))(maps)).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: stages_of(2), "unknown pooling"),
        (lambda: MultiResolutionBanks(stages=[(5, 4, 2), (5, 4, 1), (9, 4, 1)]), "pool by 2"),
        (lambda: MultiResolutionBanks(stages=[(4, 4, 2), (5, 4, 2), (9, 4, 1)]), "odd kernels"),
        (lambda: MultiResolutionBanks(norm="layer"), "unknown norm"),
        (lambda: LocalContrastNorm(8), "odd size"),
        (lambda: LocalContrastNorm(floor="none"), "unknown floor"),
        (lambda: CropWindows(40, "mirror"), "unknown border"),
        (lambda: CoarseToFineHead(3, fine={}, window=36), "no whole number"),
        (lambda: CoarseToFineHead(3, sigma=0), "must be above 0"),
        (lambda: CoarseToFineHead(3).set_phase("fine"), "does not have"),
        (lambda: CoarseToFineHead(3, fine={}).set_phase("last"), "unknown phase"),
        (lambda: FineNetwork(3, source="sound"), "unknown source"),
        (lambda: FineNetwork(3, depth=0), "at least 1"),
        (lambda: PersonTree(2, [(-1, 0)], (4, 4)), "has all 2 joints"),
        (lambda: PersonTree(2, [(0, 1), (-1, 0)], (4, 4)), "outwards"),
    ],
)
def test_bad_arguments(make: Any, says: str) -> None:
    with pytest.raises(OccbenchError, match=says):
        make()
