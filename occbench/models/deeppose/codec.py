"""The codec of Eq. 1: coordinates in the units of the box, its centre at 0."""

from __future__ import annotations

import numpy as np
from mmpose.codecs import RegressionLabel
from mmpose.registry import KEYPOINT_CODECS


@KEYPOINT_CODECS.register_module()
class CentredLabel(RegressionLabel):
    """Coordinates in -.5 to .5 inside of the input, beyond outside of it.

    MMPose's RegressionLabel gives joints outside of the crop no weight. The paper leaves out unlabelled joints alone: a
    network that sees a part of a person has to point outside.

    Args:
        input_size: Width and height of the input, px.
    """

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Labels, shape (N, K, 2), and weights, shape (N, K): 0 for unlabelled joints; of keypoints in input px."""
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        labels = keypoints / np.array(self.input_size) - 0.5
        weights = (keypoints_visible > 0.5).astype(np.float32)
        return {"keypoint_labels": labels.astype(np.float32), "keypoint_weights": weights}

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints, shape (N, K, 2), input px, and scores, shape (N, K), all 1: regression has none."""
        found: tuple[np.ndarray, np.ndarray] = super().decode(encoded + np.float32(0.5))
        return found
