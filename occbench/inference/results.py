"""Predictions become detections: scored and thinned out as MMPose's CocoMetric does, or by parametric pose NMS.

PROTOCOL section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..data.persons import Dataset
from ..evaluation.pose_nms import Kept, PoseNms, pose_nms
from ..evaluation.pose_scores import pose_scores
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

    kept: list[int] = []
    for group in _by_photo(ids, images):
        poses = [
            {"keypoints": np.hstack([keypoints[i], np.zeros((len(sigmas), 1))]), "score": scores[i], "area": areas[i]}
            for i in group
        ]
        kept += [group[i] for i in oks_nms(poses, NMS_OKS, sigmas=sigmas)]
    return kept


def _by_photo(ids: np.ndarray, images: np.ndarray) -> Iterable[list[int]]:
    groups: dict[int, list[int]] = {}
    for i in np.argsort(ids, kind="stable").tolist():
        groups.setdefault(int(images[i]), []).append(i)
    return groups.values()


def merged_persons(
    ids: np.ndarray,
    images: np.ndarray,
    boxes: np.ndarray,
    box_scores: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    rule: PoseNms,
) -> Kept:
    """The persons that pose NMS leaves, photo by photo; in each the most confident first.

    Args:
        ids: Of the boxes, shape (N,); of equally confident poses the one of the lowest id is kept.
        images: Image ids, shape (N,).
        boxes: Shape (N, 4), x1 y1 x2 y2, image px.
        box_scores: Shape (N,).
        keypoints: Shape (N, K, 2), image px.
        scores: Keypoint scores, shape (N, K).
        rule: By which.
    """
    parts = []
    for group in _by_photo(ids, images):
        rows = np.array(group)
        kept = pose_nms(keypoints[rows], scores[rows], boxes[rows], box_scores[rows], rule)
        members = tuple(rows[one] for one in kept.members)
        parts.append(replace(kept, picked=rows[kept.picked], members=members))
    return Kept.joined(parts, scores.shape[1])


def merged_detections(dataset: Dataset, keypoints: np.ndarray, scores: np.ndarray, rule: PoseNms) -> Detections:
    """The predictions of a cell after pose NMS.

    What was merged belongs to the person of the box that was picked; where that one stands for nobody, to the person of
    the most confident of the others that stands for somebody.

    Args:
        dataset: Whose persons are the N boxes.
        keypoints: Shape (N, K, 2), image px.
        scores: Keypoint scores, shape (N, K).
        rule: By which.
    """
    persons = dataset.persons
    ids = np.array([p.id for p in persons], dtype=np.int64)
    images = np.array([p.photo.id for p in persons], dtype=np.int64)
    boxes = np.array([p.box for p in persons], dtype=np.float64).reshape(-1, 4)
    found = merged_persons(ids, images, boxes, np.array([p.score for p in persons]), keypoints, scores, rule)
    owner, confident = dataset.owners(), scores.mean(1)
    belongs = np.full(len(found.picked), -1)
    for m, members in enumerate(found.members):
        theirs = members[owner[members] >= 0]
        if owner[found.picked[m]] >= 0:
            belongs[m] = owner[found.picked[m]]
        elif len(theirs):
            belongs[m] = owner[theirs[confident[theirs].argmax()]]
    return Detections(images[found.picked], found.keypoints, found.scores, belongs)


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


def cell_detections(
    dataset: Dataset, cell: CellPredictions, areas: np.ndarray, rule: PoseNms | None = None
) -> Detections:
    """The predicted persons of a cell, as they are scored.

    With boxes they are scored and thinned out, and each belongs to its box's person. An estimator of whole photos gives
    persons with scores of its own, and whom they belong to is for the evaluation to find out (PROTOCOL section 9).

    Args:
        dataset: Whose persons are the N boxes.
        cell: The predictions.
        areas: Of the padded boxes, shape (N,), image px squared.
        rule: Of pose NMS, in place of OKS-NMS.
    """
    found = cell.found
    if found is None and rule is not None:
        return merged_detections(dataset, cell.keypoints, cell.scores, rule)
    if found is None:
        return to_detections(dataset, cell.keypoints, cell.scores, areas)
    return Detections(found.image, found.keypoints.astype(np.float64), found.scores.astype(np.float64))
