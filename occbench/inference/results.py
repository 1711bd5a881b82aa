"""Predictions become detections: scored and thinned out as MMPose's CocoMetric does (PROTOCOL section 5)."""

from __future__ import annotations

import numpy as np

from ..data.persons import Dataset
from ..evaluation.types import Detections
from ..system.compat import setup_mmpose

MIN_KEYPOINT_SCORE = 0.2
NMS_OKS = 0.9


def pose_scores(box_scores: np.ndarray, keypoint_scores: np.ndarray) -> np.ndarray:
    """Box score x mean of the keypoint scores over 0.2; 0 where no keypoint passes.

    Args:
        box_scores: Shape (N,).
        keypoint_scores: Shape (N, K).

    Returns:
        Shape (N,), float64.
    """
    good = keypoint_scores > MIN_KEYPOINT_SCORE
    total = np.where(good, keypoint_scores, 0).sum(1, dtype=np.float64)
    return box_scores * np.divide(total, good.sum(1), out=np.zeros_like(total), where=good.any(1))


def kept_persons(
    ids: np.ndarray,
    images: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
) -> list[int]:
    """Indices of the persons that OKS-NMS (0.9) keeps, photo by photo, best score first, as MMPose writes them.

    Args:
        ids: Of the boxes, shape (N,); MMPose goes by them.
        images: Image ids, shape (N,).
        keypoints: Shape (N, K, 2), image px.
        scores: Of the poses, shape (N,).
        areas: Of the padded boxes, shape (N,), image px squared.
        sigmas: Shape (K,).
    """
    setup_mmpose()
    from mmpose.evaluation.functional import oks_nms

    groups: dict[int, list[int]] = {}
    for i in np.argsort(ids, kind="stable").tolist():
        groups.setdefault(int(images[i]), []).append(i)
    kept: list[int] = []
    for group in groups.values():
        poses = [
            {"keypoints": np.hstack([keypoints[i], np.zeros((len(sigmas), 1))]), "score": scores[i], "area": areas[i]}
            for i in group
        ]
        kept += [group[i] for i in oks_nms(poses, NMS_OKS, sigmas=sigmas)]
    return kept


def to_detections(dataset: Dataset, keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray) -> Detections:
    """Score and thin out the predictions of a cell; each belongs to the person its box stands for.

    Args:
        dataset: Whose persons are the N boxes.
        keypoints: Shape (N, K, 2), image px.
        scores: Keypoint scores, shape (N, K).
        areas: Of the padded boxes, shape (N,), image px squared.
    """
    persons = dataset.persons
    total = pose_scores(np.array([p.score for p in persons]), scores)
    ids = np.array([p.id for p in persons], dtype=np.int64)
    image = np.array([p.photo.id for p in persons], dtype=np.int64)
    kept = kept_persons(ids, image, keypoints, total, areas, dataset.sigmas)
    return Detections(image[kept], keypoints[kept].astype(np.float64), total[kept], dataset.owners()[kept])
