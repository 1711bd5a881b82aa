"""Coarse-to-fine models of a few thousand weights that say something, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from occbench.estimators.config import read_config
from occbench.weights.zoo import find_model

SIDE = 64
CHANGES = """
side = {side}
codec = dict(type='JointPlaces', input_size=(side, side))
model = dict(
    backbone=dict(maps=4, context=8),
    head=dict(coarse=dict(context=8, hidden=8), window=24, decoder=codec))
train_pipeline = [
    *_base_.crop_steps,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs')]
val_pipeline = [
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(side, side)),
    dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=val_pipeline))
"""


def small_config(folder: Path, name: str = "coarse-to-fine-8x-coco", more: str = "") -> Path:
    """A config of the zoo at 64 px with a few maps."""
    path = folder / f"small-{name}.py"
    text = CHANGES.format(side=SIDE)
    if not name.startswith("coarse-8x"):
        text += "model['head']['fine'] = dict(maps=4, hidden=8)\n"
    path.write_text(f"_base_ = ['{find_model(name).config_path}']\n{text}{more}")
    return path


def small_model(config: Path, seed: int = 0) -> Any:
    """Random weights, also in the last layers, which begin near nothing otherwise."""
    from mmpose.models import build_pose_estimator

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_pose_estimator(read_config(config).model).eval()
        for part in (model.backbone, model.head.coarse, model.head.fine):
            if part is not None:
                part.init_weights()
        torch.nn.init.normal_(model.head.coarse.last.weight)
        if model.head.fine is not None:
            torch.nn.init.normal_(model.head.fine.own.weight)
    return model
