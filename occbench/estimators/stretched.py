"""A crop that is stretched to the network's input, in place of a box that grows to its ratio of sides."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_warp_matrix


@TRANSFORMS.register_module()
class StretchedAffine(TopdownAffine):
    """As MMPose's TopdownAffine, for networks that were trained on distorted boxes."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See MMPose's."""
        width, height = self.input_size
        center, scale = results["bbox_center"][0], results["bbox_scale"][0]
        matrix = get_warp_matrix(center, scale, 0.0, (width, height), fix_aspect_ratio=False)
        results["img"] = cv2.warpAffine(results["img"], matrix, (width, height), flags=cv2.INTER_LINEAR)
        results["transformed_keypoints"] = cv2.transform(results["keypoints"][..., :2].astype(np.float32), matrix)
        return {**results, "input_size": (width, height), "input_center": center, "input_scale": scale}
