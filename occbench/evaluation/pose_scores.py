"""What a pose is worth, as MMPose's CocoMetric has it (PROTOCOL section 5)."""

from __future__ import annotations

import numpy as np

MIN_KEYPOINT_SCORE = 0.2


def pose_scores(box_scores: np.ndarray, keypoint_scores: np.ndarray, least: float = MIN_KEYPOINT_SCORE) -> np.ndarray:
    """Box score x mean of the keypoint scores over 0.2; 0 where no keypoint passes.

    Args:
        box_scores: Shape (N,).
        keypoint_scores: Shape (N, K).
        least: In place of 0.2.

    Returns:
        Shape (N,), float64.
    """
    good = keypoint_scores > least
    total = np.where(good, keypoint_scores, 0).sum(1, dtype=np.float64)
    return box_scores * np.divide(total, good.sum(1), out=np.zeros_like(total), where=good.any(1))
