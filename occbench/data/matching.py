"""Detected boxes and annotated persons: who stands for whom (PROTOCOL section 7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..evaluation.types import GroundTruth
from .detections import Boxes, read_detections
from .findings import Finding, counted
from .findings import found as told
from .health import FEW, readings
from .persons import Dataset, Person

MIN_IOU = 0.5


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of ``a`` (N, 4) with every box of ``b`` (M, 4), x y width height; shape (N, M), float64."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(-1)
    union = a[:, 2:].prod(1)[:, None] + b[:, 2:].prod(1)[None] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def match_boxes(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Match the boxes of one photo to its persons: greedily by score, one to one, each to the best free IoU >= 0.5.

    Args:
        boxes: Shape (D, 4), x y width height in image px.
        scores: Shape (D,).
        truth: Annotated boxes, shape (G, 4).

    Returns:
        Shape (D,), int64: index of the person, -1 where there is none.
    """
    matches = np.full(len(boxes), -1, dtype=np.int64)
    if not len(truth):
        return matches
    iou = box_iou(boxes, truth)
    for d in np.argsort(-scores, kind="stable"):
        best = int(iou[d].argmax())
        if iou[d, best] >= MIN_IOU:
            matches[d] = best
            iou[:, best] = -1
    return matches


def _match(images: np.ndarray, boxes: np.ndarray, scores: np.ndarray, truth: GroundTruth) -> np.ndarray:
    """Shape (D,), int64: the person of the truth that each box stands for, photo by photo; -1 for nobody."""
    matches = np.full(len(boxes), -1, dtype=np.int64)
    for image in np.unique(images):
        here = np.flatnonzero(images == image)
        persons = np.flatnonzero((truth.image == image) & ~truth.crowd)
        local = match_boxes(boxes[here], scores[here], truth.bbox[persons])
        matches[here[local >= 0]] = persons[local[local >= 0]]
    return matches


def _otherwise(found: Boxes, dataset: Dataset, matches: np.ndarray) -> tuple[Finding, ...]:
    """Boxes that meet hardly anybody as they are, but many people when read as other tools write boxes."""
    there = np.isin(dataset.truth.image, found.image) & ~dataset.truth.crowd & (dataset.truth.num_keypoints > 0)
    people, met = int(there.sum()), int((matches >= 0).sum())
    if people < FEW or met > 0.6 * people:
        return ()
    sizes = np.array([(dataset.photos[i].width, dataset.photos[i].height) for i in found.image.tolist()], dtype=float)
    for said, boxes in readings(found.boxes, sizes):
        would = int((_match(found.image, boxes, found.scores, dataset.truth) >= 0).sum())
        if would > 0.6 * people and would > met + 0.3 * people:
            text = "{n} boxes meet {met} as x y width height, but would meet {would} as {said}"
            number = len(found.boxes)
            return told("detections-otherwise", text, number, met=counted(met, "person"), would=would, said=said)
    return ()


def with_detections(dataset: Dataset, path: Path) -> Dataset:
    """The data set with the boxes of a detections file in place of the annotated ones.

    A matched box carries its person's keypoints, so that attacks land on it; an unmatched one has none and stays
    clean. Persons that are annotated without keypoints take part in the matching, so that nobody else's box is taken
    for theirs.

    Raises:
        OccbenchError: See :func:`~.detections.read_detections`.
    """
    found = read_detections(path, dataset)
    truth, images, boxes, scores = dataset.truth, found.image, found.boxes, found.scores
    matches = _match(images, boxes, scores, truth)
    by_photo: dict[int, list[Person]] = {i: [] for i in dataset.photos}
    for d, g in enumerate(matches.tolist()):
        photo = dataset.photos[int(images[d])]
        x, y, width, height = boxes[d].astype(np.float32)  # and added up in it, as MMPose does
        by_photo[photo.id].append(
            Person(
                id=int(found.places[d]),
                annotation=int(truth.ids[g]) if g >= 0 else None,
                photo=photo,
                box=np.array([x, y, x + width, y + height], dtype=np.float32),
                score=float(np.float32(scores[d])),
                keypoints=(truth.keypoints[g] if g >= 0 else np.zeros_like(truth.keypoints[0])).astype(np.float32),
                visibility=truth.visibility[g] if g >= 0 else np.zeros_like(truth.visibility[0]),
            )
        )
    return replace(
        dataset,
        persons=tuple(p for group in by_photo.values() for p in group),
        detections=path,
        findings=(*dataset.findings, *found.findings, *_otherwise(found, dataset, matches)),
        annotated=dataset.persons if dataset.annotated is None else dataset.annotated,
    )
