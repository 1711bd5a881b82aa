"""The files of weights that people have: of trainings, of wrappers, of averages; and those that are no weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from .conftest import Occbench, People, Refusal, TinyModel

State = dict[str, Tensor]
SHORT = ["--kind", "keypoint-blackout", "--target", "nose", "--bootstrap", "0", "--limit", "1"]


def of_a_training(state: State) -> dict[str, Any]:
    from mmengine.logging import HistoryBuffer

    logs = {"log_scalars": {"train/loss": HistoryBuffer([1.0, 2.0], [1, 1])}, "runtime_info": {}}
    meta = {"epoch": 3, "iter": 9, "dataset_meta": {"dataset_name": "coco"}}
    return {"meta": meta, "state_dict": state, "message_hub": logs, "optimizer": {}}


USED: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "mmcv's EMA": lambda s: {"state_dict": {**s, **{"ema_" + k.replace(".", "_"): 2 * v for k, v in s.items()}}},
    "a training's": of_a_training,
    "parallel": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
    "preprocessor": lambda s: {
        "state_dict": {
            **s,
            "data_preprocessor.mean": torch.zeros(3, 1, 1),
            "data_preprocessor.std": torch.ones(3, 1, 1),
        }
    },
}


def test_weights_that_are_used(occbench: Occbench, tiny: TinyModel, people: People, tmp_path: Path) -> None:
    state = torch.load(tiny.weights, weights_only=True)
    found = {}
    for number, (name, wrap) in enumerate(USED.items()):
        path = tmp_path / f"{number}.pth"
        torch.save(wrap(dict(state)), path)
        done = occbench(
            "attack", "--model", tiny.config, "--checkpoint", path, "--data", people.annotations, *SHORT,
            "--out", tmp_path / f"run{number}", "--json",
        )  # fmt: skip
        assert done.code == 0, (name, done.err)
        found[name] = json.loads(done.out)["clean"]["ap"]
        assert not json.loads((tmp_path / f"run{number}" / "manifest.json").read_text())["model"]["trusted"]
    assert found["plain"] > 0.5
    assert set(found.values()) == {found["plain"]}


def test_epochs_of_ones_own_training_are_used(
    occbench: Occbench, tiny: TinyModel, people: People, tmp_path: Path
) -> None:
    from ..augmentations.conftest import TINY

    config = tmp_path / "own.py"
    config.write_text(TINY)
    out = tmp_path / "training"
    given = ["--model", config, "--data", people.annotations, "--epochs", "1", "--batch-size", "2", "--workers", "0"]
    assert occbench("train", *given, "--init", tiny.weights, "--lr", "1e-9", "--out", out).code == 0
    attack = ["attack", "--model", config, "--data", people.annotations, *SHORT, "--json"]
    done = occbench(*attack, "--checkpoint", out / "epoch_1.pth", "--out", tmp_path / "run")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sixteen", ("head.final_layer.weight (16, 16, 1, 1) for (17, 16, 1, 1)", "of another shape")),
        ("onnx", ("an ONNX model", ".pth", "occbench evaluate")),
        ("torchscript", ("a TorchScript model", ".pth", "occbench evaluate")),
    ],
)
def test_weights_that_are_refused(
    name: str, words: tuple[str, ...], refuses: Refusal, tiny: TinyModel, people: People, tmp_path: Path
) -> None:
    path = tmp_path / f"weights.{'onnx' if name == 'onnx' else 'pth'}"
    if name == "sixteen":
        state = torch.load(tiny.weights, weights_only=True)
        for key in ("head.final_layer.weight", "head.final_layer.bias"):
            state[key] = state[key][:16].clone()
        torch.save(state, path)
    elif name == "onnx":
        path.write_bytes(b"\x08\x0e\x3a\x37\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity" + bytes(40))
    else:
        torch.jit.trace(torch.nn.Conv2d(3, 17, 1), torch.zeros(1, 3, 8, 8)).save(str(path))
    refuses(["attack", "--model", tiny.config, "--checkpoint", path, "--data", people.annotations, *SHORT], *words)
