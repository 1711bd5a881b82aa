"""What each augmentation costs: samples per second of MMPose's training pipeline with and without it, on one core.

    python benchmarks/augmentations.py --data ANN.json --images DIR [--repeats 3]

Pipelines take turns person by person, so that a busy machine slows them alike; the median over the repeats of the
processor time relative to the plain pipeline's is printed. PartMix's bank is filled before.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import cv2

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "blur keypoint": {"type": "TargetedBlur", "level": "keypoint", "p": 0.5},
    "blur part": {"type": "TargetedBlur", "level": "part", "p": 0.5},
    "cutout part": {"type": "TargetedCutout", "level": "part", "p": 0.5},
    "cutout part, 3 decoys": {"type": "TargetedCutout", "level": "part", "p": 0.5, "decoys": 3},
    "cutout keypoint, 6 decoys": {"type": "TargetedCutout", "level": "keypoint", "p": 0.5, "decoys": 6},
    "multi-keypoint": {"type": "MultiKeypointOcclusion", "p": 0.2},
    "partmix": {"type": "PartMix", "p": 0.5},
}


def dataset(annotations: Path, images: Path, augmentation: dict[str, Any] | None) -> Any:
    """The data with the recipe's training pipeline."""
    from mmpose.datasets import CocoDataset

    codec = {"type": "MSRAHeatmap", "input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2}
    pipeline = [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale"},
        {"type": "RandomFlip", "direction": "horizontal"},
        {"type": "RandomHalfBody", "min_total_keypoints": 8},
        {"type": "RandomBBoxTransform", "shift_prob": 0.0, "scale_factor": (0.65, 1.35), "rotate_factor": 45.0},
        {"type": "TopdownAffine", "input_size": (192, 256)},
        *([augmentation] if augmentation else []),
        {"type": "GenerateTarget", "encoder": codec},
        {"type": "PackPoseInputs"},
    ]
    return CocoDataset(ann_file=str(annotations), data_prefix={"img": str(images)}, pipeline=pipeline)


def main() -> None:
    """Measure and print a table."""
    import occbench.augmentations  # noqa: F401 (registers the transforms)

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    settings = {"plain": None, **AUGMENTATIONS}
    data = {name: dataset(arguments.data, arguments.images, settings[name]) for name in settings}
    started = time.process_time()
    mix = data["partmix"]
    while not any(getattr(step, "_filled", None) for step in mix.pipeline.transforms):
        mix[0]
    print(f"filling PartMix's bank: {time.process_time() - started:.2f} s, once per bank and worker")
    seconds = {name: [0.0] * arguments.repeats for name in settings}
    n = len(mix)
    for repeat in range(arguments.repeats):
        for index in range(n):
            for name, each in data.items():
                started = time.process_time()
                each[index]
                seconds[name][repeat] += time.process_time() - started
    print(f"{n} persons, {arguments.repeats} repeats")
    for name, own in seconds.items():
        cost = statistics.median(time_of / plain for time_of, plain in zip(own, seconds["plain"], strict=True)) - 1
        print(f"{name:<26} {n / statistics.median(own):7.1f} samples/s   {100 * cost:+5.1f} %")


if __name__ == "__main__":
    main()
