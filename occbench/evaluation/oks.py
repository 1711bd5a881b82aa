"""Object keypoint similarity: exp(-e) of every detection x person x keypoint of an image, computed once.

OKS under any choice of keypoints is then a masked mean over that tensor, so one tensor serves all keypoints together,
each keypoint alone, and any subset that differs from person to person (PROTOCOL section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Detections, GroundTruth

MAX_DETECTIONS = 20
"""Detections of one image that COCO lets compete, the best scored first."""


@dataclass(frozen=True, eq=False)
class Similarity:
    """The detections that compete, the pairs they form with the persons of their image, and exp(-e) of each pair.

    Attributes:
        kept: Shape (D,), int: indices into the detections; images in order, then best score first.
        image: Shape (D,), int: position of each kept detection's image in ``GroundTruth.image_ids``.
        rank: Shape (D,), int: 0 for the best of its image.
        detection: Shape (P,), int: position in ``kept`` of each pair; pairs run detection by detection.
        person: Shape (P,), int: index into the persons; rising within a detection.
        terms: Shape (P, K), float64: exp(-e) of each keypoint, labelled or not.
        box: Shape (P,), float64: the similarity to the person's doubled box, which stands in for OKS where no
            keypoint counts; NaN for persons to whom that never happens.
    """

    kept: np.ndarray
    image: np.ndarray
    rank: np.ndarray
    detection: np.ndarray
    person: np.ndarray
    terms: np.ndarray
    box: np.ndarray

    def of(self, which: np.ndarray) -> Similarity:
        """The same of some of the detections; ``which``: shape (D,), bool."""
        pair = which[self.detection]
        place = np.cumsum(which) - 1
        kept, image, rank = (a[which] for a in (self.kept, self.image, self.rank))
        detection, person = place[self.detection[pair]], self.person[pair]
        return Similarity(kept, image, rank, detection, person, self.terms[pair], self.box[pair])


def similarity(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    unjudged: np.ndarray | None = None,
    at_most: int | None = MAX_DETECTIONS,
) -> Similarity:
    """exp(-e) of all pairs. The order of operations is pycocotools', so the numbers are the same to the last bit.

    Args:
        truth: Annotated persons, image px.
        detections: Predicted persons, image px.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        unjudged: Shape (G,), bool: persons for whom some mask leaves no keypoint, so that their box is needed.
            None: all of them.
        at_most: Detections of one image that are kept, the best scored first; None for all of them.
    """
    position = np.searchsorted(truth.image_ids, detections.image)
    kept = np.lexsort((-detections.scores, position))
    image = position[kept]
    rank = _rank_within(image)
    if at_most is not None:
        kept, image, rank = (a[rank < at_most] for a in (kept, image, rank))

    at = np.searchsorted(truth.image_ids, truth.image)
    persons = np.argsort(at, kind="stable")
    first = np.searchsorted(at[persons], np.arange(len(truth.image_ids) + 1))
    partners = (first[1:] - first[:-1])[image]
    detection = np.repeat(np.arange(len(kept)), partners)
    person = persons[np.repeat(first[image], partners) + _count_up(partners)]

    spread = _spread(sigmas)
    found = detections.keypoints[kept]
    area = truth.area[person]
    terms = _terms(found[detection] - truth.keypoints[person], spread, area)

    box = np.full(len(person), np.nan)
    asked = np.arange(len(person)) if unjudged is None else np.flatnonzero(unjudged[person])
    corner, sides = truth.bbox[person[asked], None, :2], truth.bbox[person[asked], None, 2:]
    place = found[detection[asked]]
    outside = np.maximum(0, (corner - sides) - place) + np.maximum(0, place - (corner + sides * 2))
    box[asked] = _terms(outside, spread, area[asked]).sum(axis=1) / len(sigmas)
    return Similarity(kept, image, rank, detection, person, terms, box)


def oks(pairs: Similarity, counts: np.ndarray) -> np.ndarray:
    """OKS of each pair where only some keypoints count.

    Args:
        pairs: What `similarity` computed.
        counts: Shape (G, K), bool: labelled and inside the mask.

    Returns:
        Shape (P,), float64; the similarity to the box where no keypoint of the person counts.
    """
    counts = counts[pairs.person]
    number = np.count_nonzero(counts, axis=1)
    result = pairs.box.copy()
    # Summed over exactly the counting keypoints, as pycocotools does: adding zeros would change the order of
    # summation, and with it the last bit, on which a tie or a threshold can hang.
    for n in np.unique(number):
        if n:
            rows = np.flatnonzero(number == n)
            result[rows] = pairs.terms[rows][counts[rows]].reshape(len(rows), n).sum(axis=1) / n
    return result


def annotators_similarity(sigmas: np.ndarray) -> np.ndarray:
    """Mean exp(-e) of predictions that lie where annotators mean: no score can be above it and calibrated.

    COCO's sigmas are the spread of its annotators, sigma^2 the mean of their squared distance by the area, and OKS
    measures by twice that. Of normal errors the mean of exp(-e) is then 1 / (1 + sigma^2 / (2 (2 sigma)^2)) = 8 / 9.

    Args:
        sigmas: Shape (K,).

    Returns:
        Shape (K,), float64.
    """
    sigmas = np.asarray(sigmas, dtype=np.float64)
    return 1 / (1 + sigmas**2 / (2 * _spread(sigmas)))


def _spread(sigmas: np.ndarray) -> np.ndarray:
    """The squared scale that OKS measures distances in, by the area."""
    return np.asarray((sigmas * 2) ** 2, dtype=np.float64)


def _terms(difference: np.ndarray, spread: np.ndarray, area: np.ndarray) -> np.ndarray:
    """exp(-e) for coordinate differences of shape (P, K, 2). Shape: (P, K)."""
    np.square(difference, out=difference)
    e = difference[..., 0] + difference[..., 1]
    e /= spread
    e /= (area + np.spacing(1))[:, None]
    e /= 2
    np.negative(e, out=e)
    return np.exp(e, out=e)


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """Position of each entry within its run of equal values. Shape: (N,)."""
    return _count_up(np.unique(groups, return_counts=True)[1])


def _count_up(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ..., n - 1 for each length n, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def keypoint_similarity(found: np.ndarray, truth: np.ndarray, sigmas: np.ndarray, area: np.ndarray) -> np.ndarray:
    """exp(-e) of each keypoint of persons who are already paired.

    Args:
        found: Predictions, shape (N, K, 2), image px.
        truth: Annotated keypoints, same shape.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        area: Shape (N,): of the annotated persons, image px squared.

    Returns:
        Shape (N, K), float64.
    """
    return _terms(found.astype(np.float64) - truth, _spread(sigmas), area)
