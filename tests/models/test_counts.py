"""Parameters and operations against the figures of the paper (Section 5.1.2, Fig. 8, Table 3)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from occbench.cli import app
from occbench.models import VARIANTS, PyramidResNeXt, PyramidWideResNet, StackedHourglass
from occbench.models.complexity import Complexity, config_complexity, measure_complexity
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model


def build(**options: Any) -> StackedHourglass:
    with torch.device("meta"):
        return StackedHourglass(16, **options)


def millions(net: nn.Module) -> float:
    return sum(p.numel() for p in net.parameters()) / 1e6


@cache
def one_stack(placement: str, variant: str = "B*", stacks: int = 1, control: bool = False) -> Complexity:
    net = build(stacks=stacks, placement=placement, variance_control=control, pyramid={"variant": variant})
    return measure_complexity(net, (256, 256))


def gflops_of_eight(placement: str, variant: str = "B*", control: bool = False) -> float:
    """Every stack but the first costs what the second does."""
    one, two = (one_stack(placement, variant, stacks, control).gflops for stacks in (1, 2))
    return one + 7 * (two - one)


def test_parameters_of_eight_stacks() -> None:
    plain, pyramid = millions(build()), millions(build(placement="paper"))
    assert plain == pytest.approx(23.7, rel=0.01)
    assert pyramid == pytest.approx(26.9, rel=0.01)
    assert 100 * (pyramid / plain - 1) == pytest.approx(13.5, abs=0.5)


def test_the_published_code_has_other_parameters() -> None:
    assert millions(build(placement="code")) == pytest.approx(26.01, abs=0.005)
    assert millions(build(placement="code", variance_control=True)) == pytest.approx(28.13, abs=0.005)


def test_operations_of_the_baseline() -> None:
    """41.2 GFLOPs: multiplications and additions one by one."""
    assert gflops_of_eight("none") == pytest.approx(41.2, rel=0.02)


def test_operations_with_pyramids() -> None:
    """45.9 GFLOPs: not those of the network with 26.9 million parameters, but of the two in docs/hourglass.md."""
    assert gflops_of_eight("paper") == pytest.approx(43.93, abs=0.01)
    assert gflops_of_eight("paper", "D") == pytest.approx(45.9, rel=0.02)  # every level at the input's resolution
    assert gflops_of_eight("code", control=True) == pytest.approx(45.9, rel=0.02)


def test_the_whole_network_costs_what_the_stacks_do() -> None:
    whole = measure_complexity(build(stacks=3, channels=32), (64, 64)).flops
    one, two = (measure_complexity(build(stacks=n, channels=32), (64, 64)).flops for n in (1, 2))
    assert whole == one + 2 * (two - one)


def test_variants_rank_as_in_figure_8() -> None:
    everywhere = {"upper": 1, "lower": 1, "stem": False}
    nets = {v: build(stacks=1, depth=1, placement=everywhere, pyramid={"variant": v}) for v in VARIANTS}
    cost = {variant: measure_complexity(net, (256, 256)) for variant, net in nets.items()}
    parameters = {variant: value.parameters for variant, value in cost.items()}
    assert min(parameters["A"], parameters["C"]) > max(parameters["B"], parameters["B*"], parameters["D"])
    assert min(cost[v].flops for v in "ACD") > max(cost["B"].flops, cost["B*"].flops)


def test_counted_by_hand() -> None:
    """The counter against arithmetic: a strided 7x7 convolution and a linear layer."""
    net = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.Flatten(), nn.Linear(8 * 16 * 8, 5))
    found = measure_complexity(net, (16, 32))
    assert found.flops == 2 * (8 * 3 * 49 * 16 * 8 + 8 * 16 * 8 * 5)
    assert found.parameters == 8 * 3 * 49 + 8 + 8 * 16 * 8 * 5 + 5


def test_a_model_of_mmpose() -> None:
    """HRNet-W32 at 256x192: MMPose's documents say 28.54 million parameters and 7.7 thousand million multiply-adds."""
    found = config_complexity(find_model("hrnet").config_path)
    assert found.input_size == (192, 256)
    assert found.parameters / 1e6 == pytest.approx(28.54, abs=0.01)
    assert found.gflops / 2 == pytest.approx(7.7, rel=0.02)


def test_listed_by_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("model = dict(type='NoSuchThing')\n")
    models = [find_model("mpii-hourglass-2"), find_model(str(tmp_path / "broken.py"))]
    monkeypatch.setattr("occbench.weights.zoo.list_models", lambda: models)
    result = CliRunner().invoke(app, ["ls", "models", "--complexity", "--json"])
    first, second = json.loads(result.output)
    assert (first["name"], first["input"]) == ("mpii-hourglass-2", "256x256")
    assert first["parameters"] == pytest.approx(6.1426, abs=0.0001)
    assert first["GFLOPs"] == pytest.approx(one_stack("none", stacks=2).gflops)
    assert second["GFLOPs"] is None
    assert "broken.py cannot be counted" in second["note"]
    refused = CliRunner().invoke(app, ["ls", "kinds", "--complexity"])
    assert isinstance(refused.exception, OccbenchError)


TABLE_3 = {
    "WRN-28-10": (36.5, lambda: PyramidWideResNet(28, 10, levels=0)),
    "Ours-28-10": (42.3, lambda: PyramidWideResNet(28, 10)),
    "ResNeXt-29, 8x64d": (34.4, lambda: PyramidResNeXt(29, 8, levels=0)),
    "ResNeXt-29, 16x64d": (68.2, lambda: PyramidResNeXt(29, 16, levels=0)),
    "Ours-29, 8x64d": (45.6, lambda: PyramidResNeXt(29, 8)),
    "Ours-29, 16x64d": (79.3, lambda: PyramidResNeXt(29, 16)),
}


@pytest.mark.parametrize("name", TABLE_3)
def test_parameters_of_table_3(name: str) -> None:
    published, make = TABLE_3[name]
    with torch.device("meta"):
        net = make()
    assert millions(net) == pytest.approx(published, abs=0.06)


def test_wide_resnet_28_9_is_not_what_table_3_says() -> None:
    """The rule that gives 42.3 for 28-10 gives 34.3, not 36.4, for 28-9 (docs/hourglass.md)."""
    with torch.device("meta"):
        nine = PyramidWideResNet(28, 9)
    assert millions(nine) == pytest.approx(34.30, abs=0.005)


@pytest.mark.parametrize("net", [PyramidWideResNet(10, 1), PyramidResNeXt(11, 2, 4)], ids=["wide", "next"])
def test_classifiers_run(net: nn.Module) -> None:
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_depths_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="6n"):
        PyramidWideResNet(29)
    with pytest.raises(ValueError, match="9n"):
        PyramidResNeXt(28)
