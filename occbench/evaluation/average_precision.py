"""Precision, recall and the ten COCO figures from matches: pycocotools' numbers, many masks at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from .matching import AREAS, THRESHOLDS, Matches, bit, match
from .oks import similarity
from .reference import Curves, Unlabelled, labels
from .types import Detections, Figures, GroundTruth, check

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recall points at which precision is read. Shape: (R=101,)."""
_DETECTIONS_AT_ONCE = 4000


def match_masks(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    masks: list[np.ndarray | None],
    unlabelled: Unlabelled = "ignore",
) -> Matches:
    """Match detections to persons once for each mask; OKS terms are computed once for all.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        masks: Each (G, K), bool: the keypoints that count; None is plain COCO.
        unlabelled: What becomes of a person without a counting keypoint, see `reference.evaluate`.

    Raises:
        ValueError: Arrays that do not belong together.
    """
    check(truth, detections, sigmas)
    for mask in masks:
        if mask is not None and mask.shape != truth.visibility.shape:
            raise ValueError(f"each mask must have shape {truth.visibility.shape}, but one has {mask.shape}")
    sigmas = np.asarray(sigmas, dtype=np.float64)
    parts = []
    for some, rows, found in _parts(truth, detections):
        seen = [labels(some, None if mask is None else mask[rows], unlabelled) for mask in masks]
        counts = np.stack([visibility > 0 for visibility, _ in seen])
        ignored = np.stack([some.crowd | (number == 0) for _, number in seen])
        pairs = similarity(some, found, sigmas, ~np.all(counts.any(axis=2), axis=0))
        parts.append(match(some, pairs, found, counts, ignored))
    return Matches.join(parts)


def _parts(truth: GroundTruth, detections: Detections) -> Iterator[tuple[GroundTruth, np.ndarray, Detections]]:
    """The data set cut into stretches of images that fit the cache: persons, their indices (G',), detections."""
    persons, found = (np.argsort(a.image, kind="stable") for a in (truth, detections))
    person_images, found_images = truth.image[persons], detections.image[found]
    reached = np.searchsorted(found_images, truth.image_ids, side="right")
    low = 0
    while low < len(truth.image_ids):
        begin = reached[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(reached, begin + _DETECTIONS_AT_ONCE, side="right")))
        first, last = truth.image_ids[low], truth.image_ids[high - 1]
        rows = persons[np.searchsorted(person_images, first) : np.searchsorted(person_images, last, side="right")]
        columns = found[begin : reached[high - 1]]
        each = {f.name: getattr(truth, f.name)[rows] for f in fields(truth) if f.name != "image_ids"}
        some = GroundTruth(image_ids=truth.image_ids[low:high], **each)
        image, keypoints, scores = (getattr(detections, name)[columns] for name in ("image", "keypoints", "scores"))
        yield some, rows, Detections(image, keypoints, scores)
        low = high


def curves(matches: Matches, mask: int) -> Curves:
    """Precision and recall of one mask as pycocotools accumulates them; -1 where no person counts."""
    precision = np.full((len(THRESHOLDS), len(RECALLS), len(AREAS)), -1.0)
    recall = np.full((len(THRESHOLDS), len(AREAS)), -1.0)
    right, wrong = matches.right[mask], matches.wrong[mask]
    for a, persons in enumerate(matches.persons[mask]):
        if persons == 0:
            continue
        needed = hits_needed(persons)
        for t in range(len(THRESHOLDS)):
            here = bit(t, a)
            hits = np.flatnonzero(right[(right | wrong) & here != 0] & here)
            precision[t, :, a] = _precision(hits, needed)
            recall[t, a] = len(hits) / persons
    return Curves(precision, recall, matches.persons[mask])


def figures(curve: Curves) -> Figures:
    """The ten figures as pycocotools summarises them; NaN where no person counts."""
    p, r = curve.precision, curve.recall
    parts = [p[:, :, 0], p[0, :, 0], p[5, :, 0], p[:, :, 1], p[:, :, 2]]
    parts += [r[:, 0], r[0, 0], r[5, 0], r[:, 1], r[:, 2]]
    return Figures(int(curve.counted[0]), *(_mean(np.asarray(part)) for part in parts))


def hits_needed(persons: int | np.ndarray) -> np.ndarray:
    """True positives needed to reach each recall point, by pycocotools' comparison in floating point.

    Args:
        persons: Persons that count, above 0; a number or an array of shape (B,).

    Returns:
        Shape (101,) or (B, 101), int64. The first is 0: recall 0 is reached before anything is found.
    """
    number = np.asarray(persons, dtype=np.int64)[..., None]
    needed = np.ceil(RECALLS * number).astype(np.int64)
    # The product is rounded, so the ceiling can be one off either way; the comparison itself decides.
    needed -= (needed > 0) & ((needed - 1) / number >= RECALLS)
    needed += needed / number < RECALLS
    return needed


def _precision(hits: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Interpolated precision at the recall points. Shape: (101,).

    Args:
        hits: Shape (N,): places of the true positives among the detections that are not ignored, rising.
        needed: Shape (101,): true positives needed for each recall point.
    """
    result = np.zeros(len(needed))
    if not len(hits):
        return result
    at = np.maximum(needed, 1) - 1
    at = at[at < len(hits)]
    # Precision only rises at a true positive, so the envelope is decided at those; and it is only read at the
    # recall points, so a maximum per stretch between two of them is enough.
    precision = np.arange(1, len(hits) + 1) / (hits + 1 + np.spacing(1))
    highest = np.maximum.reduceat(precision, at)
    result[: len(at)] = np.maximum.accumulate(highest[::-1])[::-1]
    return result


def _mean(part: np.ndarray) -> float:
    part = part[part > -1]
    return float(part.mean()) if part.size else float("nan")
