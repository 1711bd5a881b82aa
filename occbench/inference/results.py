"""Predictions become detections: scored and thinned out as MMPose's CocoMetric does (PROTOCOL section 5)."""

from __future__ import annotations

import numpy as np

from ..data.persons import Dataset
from ..estimators.person_scores import pose_scores
from ..evaluation.types import Detections
from ..system.compat import setup_mmpose
from .predictions import CellPredictions

NMS_OKS = 0.9


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


def cell_detections(dataset: Dataset, cell: CellPredictions, areas: np.ndarray) -> Detections:
    """The predicted persons of a cell, as they are scored.

    With boxes they are scored and thinned out, and each belongs to its box's person. An estimator of whole photos gives
    persons with scores of its own, and whom they belong to is for the evaluation to find out (PROTOCOL section 9).

    Args:
        dataset: Whose persons are the N boxes.
        cell: The predictions.
        areas: Of the padded boxes, shape (N,), image px squared.
    """
    found = cell.found
    if found is None:
        return to_detections(dataset, cell.keypoints, cell.scores, areas)
    return Detections(found.image, found.keypoints.astype(np.float64), found.scores.astype(np.float64))
