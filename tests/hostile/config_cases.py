"""Configs that are none, or that would run what their user did not name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ..command_line import CONFIG
from .case import Arguments, Case, Place

Spoil = Callable[[Place], Arguments]


def config(text: str) -> Spoil:
    """Such a config, with weights that fit the tiny one."""

    def spoil(place: Place) -> Arguments:
        (place.folder / "mine.py").write_text(text)
        return place.attack_with("mine.py")

    return spoil


def keypoints(place: Place) -> Arguments:
    """A model of 16 keypoints, with weights that fit."""
    (place.folder / "mine.py").write_text(CONFIG.replace("out_channels=17", "out_channels=16"))
    state = torch.load(place.tiny.weights, weights_only=True)
    for name in ("head.final_layer.weight", "head.final_layer.bias"):
        state[name] = state[name][:16]
    torch.save(state, place.folder / "mine.pth")
    return place.attack_with("mine.py", "mine.pth")


CONFIGS = [
    Case("no Python", config("model = ("), ("cannot be read: SyntaxError",)),
    Case(
        "a photo",
        lambda p: (Path(p.folder / "mine.py").write_bytes(b"\xff\xd8"), p.attack_with("mine.py"))[1],
        ("cannot",),
    ),
    Case("one that raises two lines", config("raise RuntimeError('1\\n2')"), ("cannot be read: RuntimeError: 1 2",)),
    Case("one that ends the process", config("raise SystemExit(0)"), ("cannot be read: SystemExit",)),
    Case("one without a model", config("codec = 1"), ("defines no 'model'",)),
    Case("text for a model", config("model = 'HRNet'"), ("is no dictionary",)),
    Case("a bottom-up model", config(CONFIG.replace("TopdownPose", "BottomupPose")), ("is a BottomupPoseEstimator",)),
    Case("an unknown backbone", config(CONFIG.replace("ResNet", "ResNest9000")), ("cannot build the model",)),
    Case("an unknown transform", config(CONFIG.replace("GetBBox", "GetNo")), ("cannot build the test pipeline",)),
    Case("one without a pipeline", config(CONFIG.partition("test_dataloader")[0]), ("no test_dataloader",)),
    Case(
        "a pipeline that cuts no crops", config(CONFIG.replace("TopdownAffine", "BottomupResize")), ("is not top-down",)
    ),
    Case("one of 16 keypoints", keypoints, ("predicts 16 keypoints", "has 17")),
    Case("one that is based on itself", config("_base_ = './mine.py'"), ("cannot be read: RecursionError",)),
    Case("one that is based on nothing", config("_base_ = './nothing.py'"), ("cannot be read: FileNotFoundError",)),
]
