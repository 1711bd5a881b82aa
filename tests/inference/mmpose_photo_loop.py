"""The oracle for whole photos: MMPose's own Runner.test on files, with the evaluator of the model's config."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from occbench.system.compat import setup_mmpose


def run_mmpose_photos(
    config: Any, weights: Path, annotations: Path, images: Path, work_dir: Path
) -> tuple[dict[str, float], dict[int, tuple[np.ndarray, np.ndarray]]]:
    """Run MMPose's test loop.

    Args:
        config: An MMEngine config of a bottom-up model.
        weights: Its checkpoint.
        annotations: COCO keypoint annotations.
        images: Image folder.
        work_dir: For MMEngine's files.

    Returns:
        CocoMetric's figures; and by image id keypoints (D, K, 2) and their scores (D, K).
    """
    setup_mmpose()
    from mmengine.runner import Runner

    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    dataset.update(data_root="", ann_file=str(annotations), data_prefix={"img": f"{images}/"}, test_mode=True)
    dump = work_dir / "predictions.pkl"
    config.test_dataloader.update(batch_size=1, num_workers=0, persistent_workers=False)
    runner = Runner(
        model=config.model,
        work_dir=str(work_dir),
        test_dataloader=config.test_dataloader,
        test_cfg={},
        test_evaluator=[
            {**config.test_evaluator, "ann_file": str(annotations)},
            {"type": "DumpResults", "out_file_path": str(dump)},
        ],
        load_from=str(weights),
        default_scope="mmpose",
        log_level="ERROR",
        experiment_name=f"oracle-{work_dir.name}",
    )
    figures = runner.test()
    found = {}
    for sample in pickle.loads(dump.read_bytes()):
        poses = sample["pred_instances"]
        found[int(sample["img_id"])] = (np.asarray(poses["keypoints"]), np.asarray(poses["keypoint_scores"]))
    return figures, found
