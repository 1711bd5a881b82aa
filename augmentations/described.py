"""The keypoints and parts of a data set that its user described, for the augmentations behind it in the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from ..attacks import Skeleton


@TRANSFORMS.register_module()
class Describe(BaseTransform):
    """Adds the key ``described``, the skeleton, to a sample, whose ``dataset_name`` alone says nothing about parts.

    Args:
        name: Of the data set.
        keypoints: Their names, in order.
        parts: Part name to the names of its keypoints.

    Raises:
        ValueError: They contradict each other.
    """

    def __init__(self, name: str, keypoints: Sequence[str], parts: Mapping[str, Sequence[str]]) -> None:
        members = {part: tuple(names) for part, names in parts.items()}
        self.skeleton = Skeleton(name, tuple(keypoints), MappingProxyType(members))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the key."""
        results["described"] = self.skeleton
        return results
