"""A config made for one data set, turned to the keypoints of another that its user described."""

from __future__ import annotations

from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

from ..estimators.metainfo import beside, written
from ..system.errors import OccbenchError
from .data import TrainingData

if TYPE_CHECKING:
    from mmengine.config import Config

CONFIG = "model.py"
"""What the trained model's config is called, beside its weights."""
_COUNTS = ("out_channels", "num_joints", "num_keypoints")
"""How MMPose's heads call the number of their keypoints."""


_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def find_beside(cfg: Config, config: Path) -> None:
    """Let the data sets of a config read their ``metainfo=dict(from_file=...)`` from beside the config."""
    for loader in _LOADERS:
        dataset: Any = (cfg.get(loader) or {}).get("dataset") or {}
        found = beside(dataset.get("metainfo") or {}, config)
        if found is not None:
            dataset.metainfo = {"from_file": str(found)}


def turn_to(cfg: Config, data: TrainingData) -> None:
    """Make a config train and test on described keypoints: their number, names and mirrored pairs.

    Raises:
        OccbenchError: The config's head does not say how many keypoints it predicts.
    """
    head: Any = cfg.model.get("head") or {}
    counts = [name for name in _COUNTS if isinstance(head.get(name), int)]
    if not counts:
        raise OccbenchError(
            f"the head of this config ({head.get('type', 'none')}) does not say how many keypoints it predicts "
            f"({', '.join(_COUNTS)}): it cannot be trained on {data.skeleton.name!r}"
        )
    for name in counts:
        head[name] = len(data.skeleton.keypoints)
    metainfo = written(data.skeleton)
    for loader in _LOADERS:
        dataset = (cfg.get(loader) or {}).get("dataset")
        if dataset is not None:
            dataset.type = "CocoDataset"
            dataset.metainfo = metainfo


def describing(data: TrainingData) -> dict[str, Any]:
    """The transform that tells the augmentations of the data's parts."""
    skeleton = data.skeleton
    parts = {part: list(members) for part, members in skeleton.parts.items()}
    return {"type": "Describe", "name": skeleton.name, "keypoints": list(skeleton.keypoints), "parts": parts}


def write_config(config: Path, data: TrainingData, out: Path) -> Path:
    """The model and its test pipeline as a config of its own, which attacks take; it names no file of the data set."""
    from mmengine.config import Config

    cfg = Config.fromfile(str(config))
    turn_to(cfg, data)
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader")
    if not loader:
        raise OccbenchError(f"config {str(config)!r} has no test pipeline to attack its model by")
    test = {"type": "CocoDataset", "pipeline": loader.dataset.pipeline}
    kept = {name: cfg[name] for name in ("default_scope", "custom_imports", "model") if name in cfg}
    text = Config({**kept, "test_dataloader": {"dataset": test}}).pretty_text
    keypoints = pformat(written(data.skeleton), width=116, sort_dicts=False)  # MMEngine would put 10 before 2
    path, partial = out / CONFIG, out / f"partial-{CONFIG}"
    partial.write_text(f"{text}\ntest_dataloader['dataset']['metainfo'] = {keypoints}\n")
    return partial.replace(path)
