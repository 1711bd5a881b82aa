"""What a person is worth: from the scores of a box and of keypoints to one number, as MMPose's CocoMetric makes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluation.pose_scores import MIN_KEYPOINT_SCORE, pose_scores

MODES = ("bbox", "keypoint", "bbox_keypoint", "bbox_rle")
"""CocoMetric's ``score_mode``: the box's own score, the mean of the keypoints', their product (keypoints over 0.2), or
box + mean + largest."""


def score_mode(config: Any) -> tuple[str, float]:
    """How a config's own evaluation scores persons, and which keypoints it counts.

    Args:
        config: Of MMPose; where it has no CocoMetric, that one's own default.
    """
    given = config.get("test_evaluator") or config.get("val_evaluator") or []
    for metric in given if isinstance(given, (list, tuple)) else [given]:
        kind = metric.get("type")
        if getattr(kind, "__name__", str(kind)).rsplit(".", 1)[-1] == "CocoMetric":
            mode, least = (
                metric.get("score_mode", "bbox_keypoint"),
                metric.get("keypoint_score_thr", MIN_KEYPOINT_SCORE),
            )
            return str(mode), float(least)
    return "bbox_keypoint", MIN_KEYPOINT_SCORE


def person_scores(box_scores: np.ndarray, keypoint_scores: np.ndarray, mode: str, least: float) -> np.ndarray:
    """One score per person, by a mode of :data:`MODES`.

    Args:
        box_scores: Shape (D,), float32; 1 where the estimator gives none.
        keypoint_scores: Shape (D, K), float32.
        mode: Which.
        least: Of a keypoint that counts, for ``bbox_keypoint``.

    Returns:
        Shape (D,), float32.
    """
    if mode == "bbox" or not len(keypoint_scores):
        return box_scores.astype(np.float32)
    if mode == "bbox_keypoint":
        return pose_scores(box_scores, keypoint_scores, least).astype(np.float32)
    mean = keypoint_scores.mean(1)
    return (mean if mode == "keypoint" else box_scores + mean + keypoint_scores.max(1)).astype(np.float32)
