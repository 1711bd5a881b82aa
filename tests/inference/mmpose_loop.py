"""The oracle: MMPose's own Runner.test with its CocoMetric, and an attack as a plain transform in its pipeline."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occbench.attacks import COCO
from occbench.system.compat import setup_mmpose


def mmpose_runner(
    config: Any,
    weights: Path,
    annotations: Path,
    images: Path,
    work_dir: Path,
    detections: Path | None = None,
    attacked: bool = False,
) -> Any:
    """MMPose's runner, ready for :func:`outcome`.

    Args:
        config: An MMEngine config of a top-down model.
        weights: Its checkpoint.
        annotations: COCO keypoint annotations.
        images: Image folder.
        work_dir: For MMEngine's files.
        detections: Boxes; None for the annotated ones.
        attacked: With a :class:`PlainAttack` in the pipeline, for which :func:`outcome` takes the arguments.
    """
    setup_mmpose()
    from mmengine.runner import Runner

    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    dataset.update(data_root="", ann_file=str(annotations), data_prefix={"img": f"{images}/"}, test_mode=True)
    dataset["bbox_file"] = None if detections is None else str(detections)
    if attacked:
        _register()
        types = [step["type"] for step in dataset.pipeline]
        dataset.pipeline.insert(types.index("TopdownAffine") + 1, {"type": "PlainAttack"})
    config.test_dataloader.update(batch_size=32, num_workers=0, persistent_workers=False)
    return Runner(
        model=config.model,
        work_dir=str(work_dir),
        test_dataloader=config.test_dataloader,
        test_cfg={},
        test_evaluator=[
            {"type": "CocoMetric", "ann_file": str(annotations)},
            {"type": "DumpResults", "out_file_path": str(work_dir / "predictions.pkl")},
        ],
        load_from=str(weights),
        default_scope="mmpose",
        log_level="ERROR",
        experiment_name=f"oracle-{work_dir.name}",
    )


def outcome(runner: Any, **attack: Any) -> tuple[dict[str, float], dict[int, np.ndarray]]:
    """Run the test loop, with these arguments of :func:`plain_attack`.

    Returns:
        CocoMetric's figures, and keypoints with scores (K, 3) by the sample's id.
    """
    if attack:
        steps = runner.test_dataloader.dataset.pipeline.transforms
        (step,) = (step for step in steps if type(step).__name__ == "PlainAttack")
        step.attack = attack
    figures = runner.test()
    poses = {}
    for sample in pickle.loads((Path(runner.work_dir) / "predictions.pkl").read_bytes()):
        found = sample["pred_instances"]
        poses[int(sample["id"])] = np.concatenate(
            [np.asarray(found["keypoints"])[0], np.asarray(found["keypoint_scores"])[0][:, None]], axis=1
        )
    return figures, poses


def plain_attack(
    image: np.ndarray, points: np.ndarray, labelled: np.ndarray, level: str, fill: str, target: str, radius: float
) -> np.ndarray:
    """The centred attack of rule `corrected`, pixel by pixel, straight from the definition."""
    height, width, _ = image.shape
    inside = np.zeros((height, width), dtype=bool)
    if level == "keypoint":
        k = COCO.keypoints.index(target)
        if not labelled[k]:
            return image
        for y in range(height):
            for x in range(width):
                inside[y, x] = (x - points[k, 0]) ** 2 + (y - points[k, 1]) ** 2 <= radius**2
    else:
        members = [COCO.keypoints.index(name) for name in COCO.parts[target]]
        members = [k for k in members if labelled[k]]
        if len(members) < 2:
            return image
        x1, x2 = points[members, 0].min() - radius, points[members, 0].max() + radius
        y1, y2 = points[members, 1].min() - radius, points[members, 1].max() + radius
        for y in range(height):
            for x in range(width):
                inside[y, x] = x1 <= x <= x2 and y1 <= y <= y2
    painted = image.copy()
    if fill == "blackout":
        painted[inside] = 0
    elif fill == "meanout":
        painted[inside] = np.rint(image.reshape(-1, 3).mean(0)).astype(np.uint8)
    else:
        kernel = 31 if level == "part" else int(2 * radius - 1)
        sigma = 5 if level == "part" else 0.3 * ((kernel - 1) / 2 - 1) + 0.8
        painted[inside] = cv2.GaussianBlur(image, (kernel, kernel), sigma)[inside]
    return painted


def _register() -> None:
    from mmcv.transforms import BaseTransform
    from mmpose.registry import TRANSFORMS

    if "PlainAttack" in TRANSFORMS:
        return

    @TRANSFORMS.register_module()
    class PlainAttack(BaseTransform):  # type: ignore[misc]
        """:func:`plain_attack` between TopdownAffine and PackPoseInputs."""

        attack: dict[str, Any]

        def transform(self, results: dict[str, Any]) -> dict[str, Any]:
            labelled = results["keypoints_visible"][0] > 0
            points = results["transformed_keypoints"][0]
            results["img"] = plain_attack(results["img"], points, labelled, **self.attack)
            return results
