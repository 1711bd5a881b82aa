"""Branches are counted right on networks of all sorts, and the variances are those of Eq. 15."""

from __future__ import annotations

import math
from functools import reduce

import pytest
import torch
from torch import Tensor, nn

from occbench.models import Branches, PyramidResidualModule, StackedHourglass, count_branches, initialise
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError

ONE = Branches(1, 1)


class Chain(nn.Module):
    """Parts behind each other, between two convolutions."""

    def __init__(self, channels: int, *parts: nn.Module, out: int | None = None) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3)
        self.parts = nn.Sequential(*parts)
        self.last = nn.Conv2d(out or channels, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.parts(torch.relu(self.first(x))).relu())


class Inception(nn.Module):
    """Four branches of one input, concatenated (Szegedy et al., 2015)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 4, 1)
        self.three = nn.Sequential(nn.Conv2d(channels, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, 1, 1))
        self.five = nn.Sequential(nn.Conv2d(channels, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 5, 1, 2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, 4, 1))

    def branches(self, x: Tensor) -> list[Tensor]:
        return [self.one(x), self.three(x), self.five(x), self.pool(x)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self.branches(x), 1)


class Summed(Inception):
    """The same, added up, with an identity."""

    def forward(self, x: Tensor) -> Tensor:
        return x + sum(self.branches(x))


def test_plain_network() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    assert count_branches(net) == {"0": ONE, "4": ONE}


def test_resnet_bottleneck() -> None:
    """MMPose's own: the sum of the first goes into the second's convolution and past it."""
    setup_mmpose()
    from mmpose.models.backbones.resnet import Bottleneck

    counted = count_branches(Chain(8, Bottleneck(8, 8), Bottleneck(8, 8)))
    assert counted["first"] == Branches(1, 2)
    assert counted["parts.0.conv1"] == ONE
    assert counted["parts.0.conv2"] == ONE
    assert counted["parts.0.conv3"] == Branches(1, 2)
    assert counted["parts.1.conv1"] == Branches(2, 1)
    assert counted["parts.1.conv3"] == ONE
    assert counted["last"] == Branches(2, 1)


def test_inception_block() -> None:
    counted = count_branches(Chain(6, Inception(6), out=16))
    assert counted.pop("first") == Branches(1, 4)
    assert set(counted.values()) == {ONE}  # a concatenation is no sum: its channels are counted by n_i


def test_summed_inception_block() -> None:
    counted = count_branches(Chain(4, Summed(4)))
    assert counted["first"] == Branches(1, 5)
    assert counted["last"] == Branches(5, 1)


def test_blocks_behind_each_other_read_one_sum() -> None:
    """Sums that are used again are one term; else the count would grow with the depth."""
    counted = count_branches(Chain(4, *(Summed(4) for _ in range(5))))
    assert counted["last"] == Branches(5, 1)
    assert counted["parts.3.one"] == Branches(5, 5)


def test_pyramid_residual_module() -> None:
    counted = count_branches(Chain(18, PyramidResidualModule(18, 18, width=4), PyramidResidualModule(18, 18, width=4)))
    assert counted["parts.0.pyramid.reduce.0.0"] == Branches(1, 4)
    assert counted["parts.0.pyramid.expand.2"] == Branches(4, 1)  # g counts C input branches
    assert counted["parts.0.expand.2"] == Branches(2, 3)  # own path and pyramid; next own path, pyramid, identity
    assert counted["parts.1.own.2"] == Branches(2, 1)
    assert counted["last"].into == 2


def test_hourglass_sums_two_residual_outputs() -> None:
    """F and identity of the upper branch, F and skip of the lower one: the four terms of Eq. 18."""
    for control in (False, True):
        counted = count_branches(StackedHourglass(2, 1, channels=8, variance_control=control))
        assert counted["features.0.2"].into == 4
        assert ("hourglasses.0.up.skip.2" in counted) == control


def test_subclasses_of_layers_are_layers() -> None:
    setup_mmpose()
    from mmcv.cnn.bricks.wrappers import Conv2d

    assert count_branches(Chain(4, Conv2d(4, 4, 1)))["parts.0"] == ONE


def test_sizes_are_no_branches() -> None:
    class Resized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            size = y.shape[-1] * 2 + y.size(2)
            return self.b(nn.functional.interpolate(y, size=size))

    assert count_branches(Resized()) == {"a": ONE, "b": ONE}


def test_a_layer_that_is_used_twice_has_the_most() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            return self.a(y + y + x)

    assert count_branches(Shared())["a"] == Branches(3, 2)


def test_variances_are_those_of_equation_15() -> None:
    torch.manual_seed(0)
    levels = nn.ModuleList(nn.Conv2d(32, 64, 3, padding=1) for _ in range(3))

    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.levels, self.last = nn.Conv2d(64, 32, 1), levels, nn.Conv2d(64, 256, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x).relu()
            return self.last(reduce(torch.add, [level(x) for level in self.levels]))

    net = Three()
    initialise(net)
    expected = {  # 1 / (alpha^2 (C_i n_i + C_o n_o))
        net.first: 4 / (64 + 3 * 32),
        net.levels[1]: 4 / (32 * 9 + 64 * 9),
        net.last: 4 / (3 * 64 + 256),
    }
    for layer, variance in expected.items():
        assert layer.weight.var().item() == pytest.approx(variance, rel=6 * math.sqrt(2 / layer.weight.numel()))
        assert not layer.bias.any()


@pytest.mark.parametrize(("scheme", "variance"), [("msr", 2 / 288), ("xavier", 2 / (288 + 576)), ("branches", 4 / 864)])
def test_schemes(scheme: str, variance: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(64, 128, 3, groups=2), nn.BatchNorm2d(128))
    nn.init.zeros_(net[1].weight)
    initialise(net, scheme)
    assert net[0].weight.var().item() == pytest.approx(variance, rel=0.03)
    assert (net[1].weight == 1).all()


def test_special_case_is_he_and_glorot() -> None:
    """Equal fans, one branch: Eq. 15 is He's variance, twice Glorot's (Section 4.1, special case)."""
    drawn = {}
    for scheme in ("branches", "msr", "xavier"):
        net = nn.Linear(32, 32)
        initialise(nn.Sequential(net), scheme, torch.Generator().manual_seed(5))
        drawn[scheme] = net.weight
    torch.testing.assert_close(drawn["branches"], drawn["msr"])
    torch.testing.assert_close(drawn["branches"], drawn["xavier"] * math.sqrt(2))


def test_an_unknown_scheme() -> None:
    with pytest.raises(OccbenchError, match="initialisation 'he'"):
        initialise(nn.Linear(1, 1), "he")
