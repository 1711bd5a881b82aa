"""The augmentations in plain MMPose: its own configs, its own tools/train.py, its bottom-up pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.system.openmmlab import mmpose_configs
from occbench.training import TrainingData

from .conftest import TINY

PLAIN = """
custom_imports = dict(imports=['occbench.augmentations'])
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), drop_last=True,
    dataset=dict(type='CocoDataset', data_mode='topdown', ann_file={ann!r}, data_prefix=dict(img={img!r}), pipeline=[
        *train_pipeline[:-2], dict(type='PartMix', p=0.5, removal=True), *train_pipeline[-2:]]))
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
val_dataloader = val_evaluator = None
"""


def test_mmposes_own_train_tool_trains_with_partmix(people: TrainingData, tmp_path: Path) -> None:
    """In a process of its own that knows of this project by ``custom_imports`` alone."""
    config = tmp_path / "plain.py"
    config.write_text(TINY + PLAIN.format(ann=str(people.annotations), img=str(people.images)))
    tool = mmpose_configs().parent / "tools" / "train.py"
    command = [sys.executable, str(tool), str(config), "--work-dir", str(tmp_path / "work")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "work" / "epoch_1.pth").is_file()
    (scalars,) = (tmp_path / "work").glob("*/vis_data/scalars.json")
    losses = [json.loads(line)["loss"] for line in scalars.read_text().splitlines() if '"loss"' in line]
    assert len(losses) >= 3
    assert np.isfinite(losses).all()


BOTTOM_UP = [
    {"type": "LoadImage"},
    {"type": "BottomupRandomAffine", "input_size": (128, 128)},
    {"type": "RandomFlip", "direction": "horizontal"},
]


@pytest.mark.parametrize(
    "augmentation",
    [
        {"type": "TargetedCutout", "level": "part", "p": 1, "radius": 2, "removal": True},
        {"type": "PartMix", "p": 1, "radius": 2, "removal": True},
    ],
    ids=lambda each: each["type"],
)
def test_the_bottom_up_pipeline_takes_them(people: TrainingData, augmentation: dict[str, Any]) -> None:
    from mmpose.datasets import CocoDataset

    import occbench.augmentations  # noqa: F401

    codec = {"type": "AssociativeEmbedding", "input_size": (128, 128), "heatmap_size": (32, 32), "sigma": 2}
    rest = [
        {"type": "GenerateTarget", "encoder": codec},
        {"type": "BottomupGetHeatmapMask"},
        {"type": "PackPoseInputs"},
    ]
    hidden, kept = 0, 0
    for pipeline in ([*BOTTOM_UP, augmentation, *rest], [*BOTTOM_UP, *rest]):
        dataset = CocoDataset(
            ann_file=str(people.annotations), data_prefix={"img": str(people.images)}, data_mode="bottomup",
            pipeline=pipeline,
        )  # fmt: skip
        np.random.seed(0)  # noqa: NPY002
        labels = 0
        for index in range(len(dataset)):
            sample = dataset[index]
            assert sample["inputs"].shape == (3, 128, 128)
            labels += int((sample["data_samples"].gt_instance_labels.keypoint_weights > 0).sum())
        hidden, kept = kept, labels
    assert 0 < hidden < kept


def test_the_transforms_are_registered_under_their_names() -> None:
    from mmpose.registry import DATA_SAMPLERS, TRANSFORMS

    import occbench.augmentations as ours

    for name in ours.__all__:
        registry = DATA_SAMPLERS if name == "EpochSampler" else TRANSFORMS
        assert (registry.get(name) is getattr(ours, name)) == (name != "Occlusion")
