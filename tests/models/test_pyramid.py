"""Fractional pooling against torch's own, and the Pyramid Residual Module in its variants."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from occbench.models import VARIANTS, PyramidBranch, PyramidResidualModule, ResidualUnit, fractional_max_pool, pooling
from occbench.models.pooling import pooled_size
from occbench.system.errors import OccbenchError

RATIOS = [2 ** (-c / 4) for c in range(1, 5)]
GOLDEN_ROWS = (0, 1, 3, 4, 5, 7, 8, 10, 11, 12, 14)
GOLDEN_COLUMNS = (0, 2, 3, 4, 6, 7, 9, 10, 11, 13, 14)


def module(variant: str = "B*", **options: object) -> PyramidResidualModule:
    torch.manual_seed(0)
    return PyramidResidualModule(18, 18, variant=variant, width=5, **options).double()


@pytest.mark.parametrize(("height", "width"), [(64, 48), (32, 32), (9, 7), (4, 3), (2, 2)])
@pytest.mark.parametrize("ratio", [*RATIOS, 0.3])
def test_evaluation_pools_as_torch_does_for_the_drawn_samples(height: int, width: int, ratio: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    size = pooled_size(height, ratio), pooled_size(width, ratio)
    draws = [
        np.random.default_rng([pooling.SEED, axis, x.shape[axis], size[axis - 2]]).random() for axis in (3, 2)
    ]  # torch's order: width, height
    samples = torch.tensor(draws, dtype=torch.float64).expand(2, 3, 2).contiguous()
    theirs = F.fractional_max_pool2d(x, 2, output_size=size, _random_samples=samples)
    assert torch.equal(fractional_max_pool(x, ratio, training=False), theirs)


def test_sizes_follow_the_subsampling_ratio() -> None:
    assert [pooled_size(64, ratio) for ratio in RATIOS] == [53, 45, 38, 32]  # Eq. 3 with M = 1, C = 4, rounded down
    assert pooled_size(1, 0.5) == 1
    one = torch.randn(1, 2, 1, 5)
    for training in (False, True):
        assert fractional_max_pool(one, 0.5, training).shape == (1, 2, 1, 2)


def test_training_draws_from_torch_and_evaluation_does_not() -> None:
    x = torch.randn(1, 4, 32, 32)
    torch.manual_seed(1)
    first = fractional_max_pool(x, RATIOS[0], training=True)
    assert not torch.equal(first, fractional_max_pool(x, RATIOS[0], training=True))
    torch.manual_seed(1)
    assert torch.equal(first, fractional_max_pool(x, RATIOS[0], training=True))
    state = torch.get_rng_state()
    fractional_max_pool(x, RATIOS[0], training=False)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("variant", VARIANTS)
def test_evaluation_hangs_on_the_input_alone(variant: str) -> None:
    net = module(variant).eval()
    x = torch.randn(3, 18, 16, 12, dtype=torch.float64)
    together = net(x)
    torch.manual_seed(99)
    assert torch.equal(together, net(x))
    alone = torch.cat([net(one[None]) for one in x.flip(0)]).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)  # but for the order of sums
    copy = PyramidResidualModule(18, 18, variant=variant, width=5).double().eval()
    copy.load_state_dict(net.state_dict())
    assert torch.equal(together, copy(x))


def test_windows_are_those_of_every_process_and_release() -> None:
    """A trained network is evaluated over these: they may never change."""
    assert pooling.window_starts(16, 11, 2) == GOLDEN_ROWS
    assert pooling.window_starts(16, 11, 3) == GOLDEN_COLUMNS


def test_the_module_is_what_the_formula_says() -> None:
    """Eq. 1 and 2 written out, PRM-B*, from the module's own weights."""
    net = module().eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.normal_()
            layer.bias.data.normal_()
    weights = net.state_dict()

    def norm_relu(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = (weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.relu(F.batch_norm(x, *parts))

    def conv(x: torch.Tensor, name: str, **options: int) -> torch.Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **options)

    x = torch.randn(2, 18, 16, 12, dtype=torch.float64)
    own = conv(norm_relu(conv(norm_relu(x, "own.0"), "own.2"), "own.3"), "own.5", padding=1)
    shared = norm_relu(conv(norm_relu(x, "pyramid.activate.0"), "pyramid.reduce.0.0"), "pyramid.reduce.0.1")
    total = torch.zeros_like(shared)
    for level, ratio in enumerate(RATIOS):
        y = conv(fractional_max_pool(shared, ratio, False), f"pyramid.filters.{level}", padding=1)
        total += F.interpolate(y, size=(16, 12), mode="bilinear", align_corners=True)
    pyramid = conv(norm_relu(total, "pyramid.expand.0"), "pyramid.expand.2")
    expected = x + conv(norm_relu(own + pyramid, "expand.0"), "expand.2")
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_shapes_for_any_channels_levels_and_octaves() -> None:
    cases = itertools.product(VARIANTS, [(3, 8), (8, 8), (8, 5)], [(1, 1.0), (3, 1.0), (5, 2.0)], [(False), (True)])
    for variant, (inputs, outputs), (levels, octaves), conv_skip in cases:
        net = PyramidResidualModule(inputs, outputs, variant, levels, octaves, width=2, conv_skip=conv_skip)
        assert isinstance(net.skip, nn.Identity) == (inputs == outputs and not conv_skip)
        assert net(torch.randn(2, inputs, 10, 6)).shape == (2, outputs, 10, 6)


def test_variants_differ_as_they_say() -> None:
    branches = {variant: PyramidBranch(16, 8, 4, 3, variant=variant) for variant in VARIANTS}
    assert [len(branch.reduce) for branch in branches.values()] == [3, 1, 1, 1, 1]
    assert [len(branch.filters) for branch in branches.values()] == [3, 1, 3, 3, 3]
    assert [branch.expand[-1].in_channels for branch in branches.values()] == [4, 4, 4, 12, 4]
    assert [layer.dilation for layer in branches["D"].filters] == [(2, 2), (3, 3), (4, 4)]
    assert PyramidResidualModule(256, 256).pyramid.filters[0].in_channels == 28


def test_a_variant_that_does_not_exist() -> None:
    with pytest.raises(OccbenchError, match="variant 'E'"):
        PyramidResidualModule(4, 4, variant="E")
    with pytest.raises(ValueError, match="0 levels"):
        PyramidBranch(4, 4, 2, levels=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients(variant: str) -> None:
    """Against finite differences, in float64: input and every weight, batch statistics included."""
    torch.manual_seed(3)
    net = PyramidResidualModule(4, 4, variant=variant, levels=2, width=2, conv_skip=True).double()
    net.train()
    x = torch.randn(2, 4, 5, 4, dtype=torch.float64, requires_grad=True)

    def run(x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(7)  # the same windows in every evaluation
        return net(x)

    assert torch.autograd.gradcheck(run, (x, *net.parameters()), fast_mode=True)


def test_plain_unit_and_first_module_without_preactivation() -> None:
    assert not any(isinstance(part, PyramidBranch) for part in ResidualUnit(8, 8).modules())
    bare = PyramidResidualModule(8, 8, preact=False, width=2)
    assert isinstance(bare.own[0], nn.Conv2d)
    assert isinstance(bare.pyramid.activate, nn.Identity)
    x = torch.randn(1, 8, 4, 4)
    kept = x.clone()
    bare(x)
    assert torch.equal(x, kept)
