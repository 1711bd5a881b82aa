"""MMPose's description of a data set's keypoints: of a config, beside a config, or written from a skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..attacks import Skeleton
from ..system.errors import OccbenchError

_LOWER = ("hip", "knee", "ankle")
_UPPER = ("nose", "eye", "ear", "shoulder", "elbow", "wrist")
"""COCO's joints: what MMPose's half-body augmentation keeps together."""


def tested_dataset(config: Any) -> Any:
    """The data set of a config's test (or validation) dataloader.

    Raises:
        OccbenchError: There is none with a pipeline.
    """
    for loader in ("test_dataloader", "val_dataloader"):
        dataset = config.get(loader, {}).get("dataset", {})
        if dataset.get("pipeline"):
            return dataset
    raise OccbenchError("this config has no test_dataloader.dataset.pipeline: occbench reads its crops from there")


class Described:
    """The keypoints that a config was made for.

    Args:
        config: An MMEngine config.
        dataset: Of :func:`tested_dataset`.

    Attributes:
        file: The file beside the config that describes them; None for one of MMPose's.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        self._dataset = dataset
        self.file = beside(dataset.get("metainfo") or {}, Path(getattr(config, "filename", None) or "."))

    @cached_property
    def _content(self) -> dict[str, Any]:
        """MMPose's description of the data set that the config was made for."""
        from mmpose.datasets.datasets.utils import parse_pose_metainfo
        from mmpose.registry import DATASETS

        given = self._dataset.get("metainfo")
        if self.file is not None:
            given = {"from_file": str(self.file)}
        kind = self._dataset.get("type", "CocoDataset")
        known = DATASETS.get(kind) if isinstance(kind, str) else kind
        if not given and not getattr(known, "METAINFO", None):
            raise OccbenchError(
                f"this config is made for the data set {str(kind)!r}, which MMPose does not describe: give its dataset "
                "a metainfo=dict(from_file=...)"
            )
        try:
            info: dict[str, Any] = parse_pose_metainfo(dict(given or known.METAINFO))
        except (AssertionError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise OccbenchError(f"the metainfo of this config's data set cannot be read: {error}") from error
        return info

    @property
    def keypoints(self) -> tuple[str, ...]:
        """The keypoints that the model was made for, by their names in MMPose, in the order of its predictions."""
        return tuple(self._content["keypoint_id2name"].values())

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """Which keypoint of the mirrored picture each keypoint is."""
        return tuple(int(i) for i in self._content["flip_indices"])

    def require(self, skeleton: Skeleton) -> None:
        """Refuse a data set of other keypoints than the model's.

        Their number and which of them change places in a mirrored picture decide: names are spelled in several ways.

        Raises:
            OccbenchError: The keypoints are others.
        """
        if self.keypoints == skeleton.keypoints and self.flip_indices != skeleton.flip_indices:
            raise OccbenchError(
                f"the model's config and {skeleton.name!r} have the same keypoints, but others change places in "
                "a mirrored picture: make flip_pairs agree with the config's"
            )
        if self.flip_indices != skeleton.flip_indices:
            raise OccbenchError(
                f"the model is made for the {len(self.keypoints)} keypoints of {self._content['dataset_name']!r} "
                f"({', '.join(self.keypoints[:3])}, ...), but the data have the {len(skeleton.keypoints)} of "
                f"{skeleton.name!r} ({', '.join(skeleton.keypoints[:3])}, ...)"
            )

    @cached_property
    def of_samples(self) -> dict[str, Any]:
        """What MMPose's dataset adds to every sample."""
        keys = ("dataset_name", "upper_body_ids", "lower_body_ids", "flip_pairs", "dataset_keypoint_weights")
        return {key: self._content[key] for key in (*keys, "flip_indices", "skeleton_links")}


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
