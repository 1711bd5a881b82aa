"""Trains the detector of the tests on synthetic people; how rtmdet-mini.pth was made (5 minutes on a core).

python -m tests.detectors.train WEIGHTS.pth
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from occbench.data.coco import read_coco
from occbench.data.photos import decode
from occbench.data.synthetic.generate import generate
from occbench.evaluation.boxes import BoxFigures, box_figures
from occbench.inference.detector import Detector
from occbench.system.compat import setup_mmpose

CONFIG = Path(__file__).with_name("rtmdet_mini.py")
PHOTOS, SEED = 400, 5
FRESH, FRESH_SEED = 100, 6


def main(weights: Path) -> None:
    """Train, keep the weights alone, in half precision, and say what they are worth on fresh photos."""
    with tempfile.TemporaryDirectory() as folder:
        _train(generate(PHOTOS, SEED, Path(folder) / "people"), Path(folder) / "work", weights)
        print(score(weights, generate(FRESH, FRESH_SEED, Path(folder) / "fresh")))


def _train(annotations: Path, work: Path, weights: Path) -> None:
    setup_mmpose()
    import mmdet.datasets
    import mmdet.models  # noqa: F401  # registers them

    config = Config.fromfile(CONFIG)
    config.work_dir = str(work)
    config.train_dataloader.dataset.data_root = f"{annotations.parent}/"
    for name in ("test_dataloader", "test_cfg", "test_evaluator"):
        config[name] = None
    with DefaultScope.overwrite_default_scope("mmdet"):
        runner = Runner.from_cfg(config)
        runner.train()
    state = {name: v.half() if v.is_floating_point() else v for name, v in runner.model.state_dict().items()}
    torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": ("person",)}}}, weights)


def score(weights: Path, annotations: Path) -> BoxFigures:
    """Box AP on synthetic photos."""
    dataset, detector = read_coco(annotations, annotations.parent / "images"), Detector(CONFIG, weights)
    found = [(photo.id, box) for photo in dataset.photos.values() for box in detector.detect(decode(photo))]
    boxes = np.array([box for _, box in found])
    sides = np.column_stack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]])
    return box_figures(dataset.truth, np.array([image for image, _ in found]), sides, boxes[:, 4])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
