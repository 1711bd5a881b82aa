"""What keeps a GPU busy, on a CPU: sizes of batches, folding, and the choice between ways to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from occbench.estimators.backends.folding import as_products, cast_weights, fold_norms, is_channels_last
from occbench.estimators.backends.lanes import Halving, Lane, sizes_of
from occbench.estimators.backends.tuning import Choice, fastest, kept, timed, usual
from occbench.estimators.decoding import find_decoder
from occbench.system.compat import setup_mmpose

from .small_models import assert_close, build, crops, make, oracle


def test_batches_come_in_few_sizes() -> None:
    assert sizes_of(128) == (16, 32, 64, 96, 128)
    assert sizes_of(1) == (1,)
    assert all(sizes_of(size)[-1] == size for size in range(1, 300))


def lane(batch_size: int, asked: list[int] | None = None, room: int = 1000) -> Lane:
    """Sums of pixels."""

    def compute(images: torch.Tensor) -> torch.Tensor:
        if asked is not None:
            asked.append(len(images))
        if len(images) > room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return images.float().sum((1, 2))

    return Lane(compute, torch.device("cpu"), batch_size, True, Halving(lambda line: None))


def test_results_are_those_of_the_batches_in_order() -> None:
    asked: list[int] = []
    queue = lane(16, asked)
    batches = [crops(count, seed=count) for count in (16, 3, 1, 9, 2, 16)]
    waiting = [queue.start(batch) for batch in batches]
    for batch, wait in zip(batches, waiting, strict=True):
        np.testing.assert_array_equal(wait(), batch.astype(np.float32).sum((1, 2)))
    assert set(asked) == {2, 4, 12, 16}
    with pytest.raises(ValueError, match="a batch of 17, where 16 are the most"):
        queue.start(crops(17))


def test_what_fills_a_batch_up_is_black_whatever_was_there_before() -> None:
    seen: list[torch.Tensor] = []

    def compute(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.clone())
        return images.flatten(1)

    queue = Lane(compute, torch.device("cpu"), 16, False, Halving(lambda line: None))
    queue.start(crops(12, seed=1))()
    queue.start(crops(9, seed=2))()
    assert len(seen[-1]) == 12
    assert not seen[-1][9:].any()


def test_batches_are_halved_when_memory_runs_out() -> None:
    queue = lane(16, room=5)
    batch = crops(16)
    np.testing.assert_array_equal(queue.start(batch)(), batch.astype(np.float32).sum((1, 2)))
    assert queue._halving.count == 2


def test_the_lane_of_a_model_gives_its_keypoints(tmp_path: Path) -> None:
    estimator = build()
    from occbench.estimators.backends.torch_backend import TorchBackend

    backend = make("torch", estimator, tmp_path)
    assert isinstance(backend, TorchBackend)
    decoder = find_decoder(estimator.head, {"flip_test": True}, range(17))
    assert decoder is not None
    queue = Lane(
        lambda images: decoder.found(*backend.forward(images, True)), torch.device("cpu"), 8, True, backend.halving
    )
    for count in (8, 5):
        images = crops(count, seed=3)
        found = decoder.finished(queue.start(images)())
        for ours, plain in zip(found, decoder(*backend(images, True)), strict=True):
            np.testing.assert_allclose(ours, plain, atol=1e-4)


@pytest.mark.parametrize("head", ["heatmap", "simcc", "regression"])
def test_folded_norms_compute_the_same(head: str) -> None:
    estimator = build(head)
    from occbench.estimators.backends.network import Forward, preprocess

    images = crops(4)
    network = Forward(build(head)).eval()
    inputs = preprocess(network.estimator.data_preprocessor, torch.from_numpy(images))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    with torch.no_grad():
        assert fold_norms(network, lambda: network(inputs)) == norms > 3
        assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        assert_close(network(inputs), oracle(estimator, images))


def test_norms_that_follow_no_convolution_alone_stay() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice, self.shared = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
            self.up = nn.ConvTranspose2d(3, 4, 2)
            self.again = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
            self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (3, 3, 3, 3, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            shared = self.shared(x)
            x = self.norms[0](self.twice(x)) + self.twice(x)  # a convolution called twice
            x = x + self.norms[1](shared) + self.norms[2](shared)  # two norms of one convolution
            x = self.again(x) + self.again(x + 1)  # both called twice, as in Lite-HRNet: these can
            x = self.norms[3](x + 1)  # none
            found: torch.Tensor = self.norms[4](self.up(x))  # this one can
            return found

    torch.manual_seed(0)
    odd = Odd().eval()
    for norm in (*odd.norms, odd.again[1]):
        assert isinstance(norm, nn.BatchNorm2d)
        norm.running_mean, norm.running_var = torch.rand_like(norm.weight), 0.5 + torch.rand_like(norm.weight)
    x = torch.rand(2, 3, 5, 4)
    with torch.no_grad():
        before = odd(x)
        assert fold_norms(odd, lambda: odd(x)) == 2
        torch.testing.assert_close(odd(x), before)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_products_compute_the_same(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(6, 8, 1), nn.Conv2d(8, 8, 1, bias=False), nn.Conv2d(8, 8, 1, groups=2)),
        *(nn.Conv2d(8, 8, 1, stride=2), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 5, 1)),
    ).to(memory_format=layout)
    inputs = torch.rand(3, 12, 9, 7).contiguous(memory_format=layout)[:, :6]  # as chunks of channels are
    with torch.no_grad():
        expected = network(inputs)
        assert as_products(network) == 3
        torch.testing.assert_close(network(inputs), expected)
        assert is_channels_last(network(inputs)) == (layout is torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_suits_a_gpu_computes_the_same(layout: torch.memory_format) -> None:
    setup_mmpose()
    from occbench.estimators.backends.torch_backend import shuffled, suited_to_gpu

    maps = torch.rand(2, 12, 5, 4).contiguous(memory_format=layout)
    assert torch.equal(shuffled(maps, 3), torch.channel_shuffle(maps, 3))
    assert shuffled(maps, 3).is_contiguous(memory_format=layout)
    scale = nn.functional.interpolate
    for corners in (False, True):
        expected = scale(maps, (9, 11), mode="bilinear", align_corners=corners)
        with suited_to_gpu():
            torch.testing.assert_close(scale(maps, (9, 11), None, "bilinear", corners), expected)
            assert scale(maps, (9, 11), mode="bilinear").is_contiguous(memory_format=layout)
            assert torch.equal(scale(maps, scale_factor=2), maps.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_a_training_keeps_channels_last_where_channels_are_shuffled() -> None:
    setup_mmpose()
    from mmpose.models.backbones import litehrnet

    from occbench.estimators.backends.torch_backend import layout_kept

    maps = torch.rand(2, 12, 5, 4).to(memory_format=torch.channels_last).requires_grad_()
    weights = torch.rand(2, 12, 5, 4)
    (litehrnet.channel_shuffle(maps, 3) * weights).sum().backward()
    assert maps.grad is not None
    expected, maps.grad = maps.grad, None
    with layout_kept():
        shuffled = litehrnet.channel_shuffle(maps, 3)
        assert is_channels_last(shuffled)
        (shuffled * weights).sum().backward()
    assert torch.equal(maps.grad, expected)
    assert not is_channels_last(litehrnet.channel_shuffle(maps, 3))


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_network_made_for_a_gpu_gives_the_reference(channels_last: bool) -> None:
    setup_mmpose()
    from mmpose.models.backbones import LiteHRNet

    from occbench.estimators.backends.torch_backend import suited_to_gpu

    extra = {
        "stem": {"stem_channels": 8, "out_channels": 8, "expand_ratio": 1},
        "num_stages": 1,
        "stages_spec": {
            "num_modules": (1,),
            "num_branches": (2,),
            "num_blocks": (1,),
            "module_type": ("NAIVE",),
            "with_fuse": (True,),
            "reduce_ratios": (1,),
            "num_channels": ((8, 16),),
        },
        "with_head": True,
    }
    torch.manual_seed(0)
    network = LiteHRNet(extra=extra, in_channels=3)
    network.eval()  # gives nothing back
    inputs = torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        expected = network(inputs)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        network.to(memory_format=layout)
        norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        assert fold_norms(network, lambda: network(inputs)) == norms > 10  # also those that are called twice
        assert as_products(network) > 5
        with suited_to_gpu():
            found = network(inputs.contiguous(memory_format=layout))
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_cast_weights_are_what_autocast_makes_of_them() -> None:
    estimator = build()
    from occbench.estimators.backends.network import Forward, preprocess

    network = Forward(estimator).eval()
    inputs = preprocess(network.estimator.data_preprocessor, torch.from_numpy(crops(4)))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        expected = network(inputs)
    cast_weights(network, torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        found = network(inputs)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def test_the_usual_choice_knows_depthwise_convolutions_and_the_precision() -> None:
    assert [usual(build(), precision).channels_last for precision in ("fp32", "tf32", "bf16")] == [False, True, True]
    assert usual(nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)), "fp32").channels_last


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        pytest.param({}, Choice(), id="all alike"),
        pytest.param({(False, True): 0.97}, Choice(), id="not clearly"),
        pytest.param({(False, True): 0.5, (False, False): 0.6}, Choice(channels_last=False), id="layout"),
        pytest.param({(True, False): 0.5}, Choice(doubled=False), id="not doubled"),
        pytest.param({(False, False): 0.9}, Choice(), id="one change at a time"),
        pytest.param({(False, True): 0.5, (False, False): 0.4}, Choice(False, False), id="both"),
    ],
)
def test_the_fastest_choice(seconds: dict[tuple[bool, bool], float], wanted: Choice) -> None:
    def took(choice: Choice) -> float:
        return seconds.get((choice.channels_last, choice.doubled), 1.0)

    assert fastest(Choice(), True, took) == wanted
    assert not fastest(Choice(), True, lambda choice: 1.0 + choice.products).products
    assert fastest(Choice(), False, took).doubled  # nothing to double, nothing tried


def test_a_choice_is_made_once(tmp_path: Path) -> None:
    made: list[Choice] = []

    def make_one() -> Choice:
        made.append(Choice(doubled=not made))
        return made[-1]

    assert kept(["a", 128], make_one, tmp_path) == kept(["a", 128], make_one, tmp_path) == Choice()
    assert kept(["a", 64], make_one, tmp_path) == Choice(doubled=False)
    next(tmp_path.glob("*.json")).write_text("{")
    kept(["a", 128], make_one, tmp_path)
    kept(["a", 64], make_one, tmp_path)
    assert len(made) == 3
    assert len(list(tmp_path.iterdir())) == 2
    unwritable = tmp_path / "file"
    unwritable.write_text("")
    assert kept(["b"], lambda: Choice(graph=False), unwritable) == Choice(graph=False)


def test_timing_queues_before_it_waits() -> None:
    log: list[str] = []

    def run() -> object:
        log.append("queue")
        return lambda: log.append("wait")

    assert timed(run) >= 0  # type: ignore[arg-type]
    assert log[2:10] == ["queue"] * 4 + ["wait"] * 4
