"""Uniform draws of rotation and scale, for networks whose papers drew them so."""

from __future__ import annotations

import numpy as np
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class UniformBBoxTransform(RandomBBoxTransform):
    """As MMPose's RandomBBoxTransform, but uniform, not truncated normal; and of the picture, not of the box.

    ``scale_factor=(0.5, 1.5)`` shows a person at .5 to 1.5 times the size: the box is divided by the factor.
    """

    def _truncnorm(self, size: tuple[int, ...]) -> np.ndarray:
        return np.random.uniform(-1, 1, size)  # noqa: NPY002 (as MMPose's; SeedSample seeds it)

    def _get_transform_params(self, num_bboxes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        offset, scale, rotate = super()._get_transform_params(num_bboxes)
        return offset, 1 / scale, rotate
