"""The codec: where the joints are in the crop; the head makes both kinds of target heatmaps from that."""

from __future__ import annotations

import numpy as np
from mmpose.codecs import RegressionLabel
from mmpose.registry import KEYPOINT_CODECS


@KEYPOINT_CODECS.register_module()
class JointPlaces(RegressionLabel):
    """Labels in px of the crop.

    The fine target hangs on the coarse maximum, so no codec can make it before the network ran.

    Args:
        input_size: Width and height of the crop, px.
    """

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Labels, shape (N, K, 2), and weights, shape (N, K): 0 for joints that are unlabelled or out of the crop."""
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        inside = ((keypoints >= -0.5) & (keypoints < np.array(self.input_size) - 0.5)).all(-1)
        weights = ((keypoints_visible > 0.5) & inside).astype(np.float32)
        return {"keypoint_labels": keypoints.astype(np.float32), "keypoint_weights": weights}

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints, shape (1, K, 2), crop px, and scores, shape (1, K), of (K, 3): the head has them by then."""
        return encoded[None, :, :2], encoded[None, :, 2]
