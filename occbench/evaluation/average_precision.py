"""Precision, recall and the ten COCO figures from matches: pycocotools' numbers, many masks at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import get_args

import numpy as np

from .matching import AREAS, THRESHOLDS, Matches, bit, match, of_area
from .oks import MAX_DETECTIONS, Pairs, Similarity, box_similarity, pair_up, similarity, within_reach
from .owners import LEAST_OKS, left_out, owners_by_oks
from .reference import Curves, Unlabelled
from .types import Detections, Figures, GroundTruth, check

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recall points at which precision is read. Shape: (R=101,)."""
_DETECTIONS_AT_ONCE = 8000


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
        unlabelled: What becomes of a person without a counting keypoint, and of the predictions that belong to them,
            see `reference.evaluate`.

    Raises:
        ValueError: Arrays that do not belong together, or an unknown rule.
    """
    if unlabelled not in get_args(Unlabelled):
        raise ValueError(f"unlabelled must be one of {', '.join(get_args(Unlabelled))}, not {unlabelled!r}")
    check(truth, detections, sigmas)
    for mask in masks:
        if mask is not None and mask.shape != truth.visibility.shape:
            raise ValueError(f"each mask must have shape {truth.visibility.shape}, but one has {mask.shape}")
    sigmas = np.asarray(sigmas, dtype=np.float64)
    silent = np.array([mask is not None and unlabelled == "ignore" for mask in masks])
    at_most, least = (None, LEAST_OKS) if silent.any() else (MAX_DETECTIONS, THRESHOLDS[0])
    parts = []
    for some, rows, found in _parts(truth, detections):
        labelled = some.visibility > 0
        counts = np.stack([labelled if mask is None else labelled & mask[rows] for mask in masks])
        unjudged = ~np.asarray(counts.any(axis=2))
        ignored = some.crowd | (some.num_keypoints == 0) | (unjudged & silent[:, None])
        gone = ignored & silent[:, None]
        pairs = pair_up(some, found, at_most)
        near = within_reach(some, found, sigmas, pairs, least)
        similar = similarity(some, found, sigmas, pairs.some(near))
        owner = np.full(len(pairs.kept), -1)
        if silent.any():
            owner = owners_by_oks(some, similar) if found.owner is None else found.owner[pairs.kept]
        asked = _boxes_asked(pairs, unjudged, gone, owner >= 0)
        box = box_similarity(some, found, sigmas, pairs.some(asked), THRESHOLDS[0])
        similar = _with_boxes(similar, near, pairs, asked, box)
        out = left_out(pairs.image, pairs.rank, owner, gone)
        parts.append(match(some, similar, found, counts, ignored, gone, out, np.append(rows, -1)[owner]))
    return Matches.join(parts)


def _boxes_asked(pairs: Pairs, unjudged: np.ndarray, gone: np.ndarray, owned: np.ndarray) -> np.ndarray:
    """The pairs that some mask compares by the person's box.

    Args:
        pairs: All pairs.
        unjudged: Shape (M, G), bool: persons without a counting keypoint.
        gone: Shape (M, G), bool: those who take nothing that is somebody's.
        owned: Shape (D,), bool: detections that are somebody's.

    Returns:
        Shape (P,), bool.
    """
    by_anybody, by_nobodys = (np.asarray(who.any(axis=0)) for who in (unjudged & ~gone, unjudged))
    return by_anybody[pairs.person] | (by_nobodys[pairs.person] & ~owned[pairs.detection])


def _with_boxes(similar: Similarity, near: np.ndarray, pairs: Pairs, asked: np.ndarray, box: np.ndarray) -> Similarity:
    """The near pairs, and those whose box is asked for and not out of reach, in the order of all pairs.

    Args:
        similar: Of the near pairs.
        near: Shape (P,), bool: which of all pairs they are.
        pairs: All pairs.
        asked: Shape (P,), bool.
        box: The similarities to the box of those asked for.
    """
    if not len(box):
        return similar
    every = np.full(len(near), np.nan)
    every[asked] = box
    here = near | (every >= THRESHOLDS[0])
    terms = np.zeros((np.count_nonzero(here), similar.terms.shape[1]))
    terms[near[here]] = similar.terms
    return Similarity(pairs.some(here), terms, every[here])


def _parts(truth: GroundTruth, detections: Detections) -> Iterator[tuple[GroundTruth, np.ndarray, Detections]]:
    """The data set cut into stretches of images that fit the cache: persons, their indices (G',), detections."""
    persons, found = (np.argsort(a.image, kind="stable") for a in (truth, detections))
    place = np.append(np.argsort(persons), 0)
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
        theirs = detections.some(columns)
        if theirs.owner is not None:
            local = place[theirs.owner] - np.searchsorted(person_images, first)
            theirs = replace(theirs, owner=np.where(theirs.owner < 0, -1, local))
        yield some, rows, theirs
        low = high


def curves(matches: Matches, mask: int) -> Curves:
    """Precision and recall of one mask as pycocotools accumulates them; -1 where no person counts."""
    precision = np.full((len(THRESHOLDS), len(RECALLS), len(AREAS)), -1.0)
    recall = np.full((len(THRESHOLDS), len(AREAS)), -1.0)
    right, judged = matches.right[mask], matches.right[mask] | matches.wrong[mask]
    areas = np.full(recall.shape, np.nan)
    for a, persons in enumerate(matches.persons[mask]):
        if persons == 0:
            continue
        here = np.flatnonzero(judged & of_area(a))
        bits = np.array([bit(t, a) for t in range(len(THRESHOLDS))], judged.dtype)[:, None]
        counts, envelope = _envelopes(right[here] & bits != 0, judged[here] & bits != 0)
        precision[:, :, a] = _precision(envelope, hits_needed(persons))
        recall[:, a] = counts / persons
        areas[:, a] = [row[:count].sum() / persons for row, count in zip(envelope, counts, strict=True)]
    return Curves(precision, recall, matches.persons[mask], float(areas[:, 0].mean()))


def figures(curve: Curves) -> Figures:
    """The ten figures as pycocotools summarises them; NaN where no person counts."""
    p, r = curve.precision, curve.recall
    parts = [p[:, :, 0], p[0, :, 0], p[5, :, 0], p[:, :, 1], p[:, :, 2]]
    parts += [r[:, 0], r[0, 0], r[5, 0], r[:, 1], r[:, 2]]
    return Figures(int(curve.counted[0]), *[*(_mean(np.asarray(part)) for part in parts), curve.exact])


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


def _precision(envelope: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Interpolated precision at the recall points. Shape: (T, 101).

    Args:
        envelope: Shape (T, N): the highest precision from each true positive on.
        needed: Shape (101,): true positives needed for each recall point.
    """
    result = np.zeros((len(envelope), len(needed)))
    at = np.maximum(needed, 1) - 1
    at = at[at < envelope.shape[1]]
    result[:, : len(at)] = envelope[:, at]
    return result


def _envelopes(right: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest precision from each true positive on, since it only rises at one.

    Args:
        right: Shape (T, D), bool: true positives by threshold, in order of score.
        judged: Shape (T, D), bool: detections that are not ignored.

    Returns:
        True positives of each threshold, shape (T,), and the envelope, shape (T, N), 0 behind a threshold's last.
    """
    counts = np.count_nonzero(right, axis=1)
    place = np.flatnonzero(right)
    threshold = np.repeat(np.arange(len(right)), counts)
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    place -= threshold * right.shape[1]
    seen = place + 1 if judged.all() else np.cumsum(judged, axis=1)[threshold, place]
    precision = np.zeros((len(right), counts.max(initial=0)))
    precision[threshold, rank] = (rank + 1) / (seen + np.spacing(1))
    return counts, np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _mean(part: np.ndarray) -> float:
    part = part[part > -1]
    return float(part.mean()) if part.size else float("nan")
