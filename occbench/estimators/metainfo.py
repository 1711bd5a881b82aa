"""MMPose's description of a data set's keypoints: found beside a config, or written from a skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..attacks import Skeleton

_LOWER = ("hip", "knee", "ankle")
_UPPER = ("nose", "eye", "ear", "shoulder", "elbow", "wrist")
"""COCO's joints: what MMPose's half-body augmentation keeps together."""


def beside(metainfo: Mapping[str, Any], config: Path) -> Path | None:
    """The file that a config's ``metainfo=dict(from_file=...)`` names, where it lies beside the config; else None.

    MMPose looks for it from the working folder alone.
    """
    name = metainfo.get("from_file")
    found = config.parent / name if isinstance(name, str) else None
    return found.absolute() if found is not None and found.is_file() else None


def written(skeleton: Skeleton) -> dict[str, Any]:
    """A skeleton as MMPose describes data sets: plain values, every keypoint with the same weight in the loss."""
    other = dict(skeleton.flip_pairs) | {b: a for a, b in skeleton.flip_pairs}
    return {
        "dataset_name": skeleton.name,
        "keypoint_info": {
            i: {"name": name, "id": i, "color": [255, 128, 0], "type": _half(name), "swap": other.get(name, "")}
            for i, name in enumerate(skeleton.keypoints)
        },
        "skeleton_info": {
            i: {"link": list(edge), "id": i, "color": [0, 128, 255]} for i, edge in enumerate(skeleton.edges)
        },
        "joint_weights": [1.0] * len(skeleton.keypoints),
        "sigmas": list(skeleton.sigmas),
    }


def _half(name: str) -> str:
    joint = name.removeprefix("left_").removeprefix("right_")
    return "upper" if joint in _UPPER else "lower" if joint in _LOWER else ""
