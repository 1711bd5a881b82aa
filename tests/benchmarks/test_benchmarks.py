"""The benchmark of the engine, on a CPU and few persons: it runs, and what it compares is equal."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from occbench.data.synthetic import embedded_sample
from occbench.weights.zoo import find_model

from ..command_line import TinyModel
from ..conftest import CHECKOUT

Suite = Callable[..., str]


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Suite]:
    """What `benchmarks/suite.py` prints for three persons."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    annotations, _ = embedded_sample()

    def run(*options: object) -> str:
        import torch

        command = ["suite.py", "--data", annotations, "--persons", 3, "--every", 42, "--repetitions", 1]
        command += ["--batch-size", 2, "--threads", torch.get_num_threads(), *options]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        importlib.import_module("suite").main()
        return capsys.readouterr().out

    yield run
    for name in ("suite", "mmpose_loop", "whole_photos"):
        sys.modules.pop(name, None)


def test_suite_beside_mmpose(suite: Suite) -> None:
    _, images = embedded_sample()
    weights = find_model("hrnet-mini").checkpoint
    printed = suite(
        "--model", "hrnet-mini", "--checkpoint", weights, "--backends", "torch,onnxruntime", "--images", images
    )
    for backend in ("torch", "onnxruntime"):
        assert f"{backend}: keypoints of 3 cells equal MMPose's" in printed
        assert re.search(rf"^\| {backend} \|( [0-9.]+ \|){{6}}$", printed, re.MULTILINE), printed
    assert "persons x 3 cells" in printed


def test_suite_alone_on_made_up_photos(suite: Suite, tiny: TinyModel) -> None:
    printed = suite("--model", tiny.config, "--checkpoint", tiny.weights, "--backends", "torch,torch:bf16", "--alone")
    assert "mmpose" not in printed
    assert re.search(r"^\| torch:bf16 floor \|", printed, re.MULTILINE), printed


def test_the_wait_for_the_first_crops(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    annotations, images = embedded_sample()
    command = ["first_crop.py", "--python", sys.executable, "--model", tiny.config, "--checkpoint", tiny.weights]
    command += ["--data", annotations, "--images", images, "--repetitions", 1]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    importlib.import_module("first_crop").main()
    sys.modules.pop("first_crop")
    assert re.search(r"^\| \S+ \|( [0-9.]+ \([0-9.]+\) \|){2}$", capsys.readouterr().out, re.MULTILINE)
