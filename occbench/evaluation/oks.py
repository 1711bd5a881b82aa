"""Object keypoint similarity: exp(-e) of every detection x person x keypoint of an image, computed once.

OKS under any choice of keypoints is then a masked mean over that tensor, so one tensor serves all keypoints together,
each keypoint alone, and any subset that differs from person to person (PROTOCOL section 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .types import Detections, GroundTruth

MAX_DETECTIONS = 20
"""Detections of one image that COCO lets compete, the best scored first."""
_PAIRS_AT_ONCE = 2048
"""Their coordinates stay in the second-level cache."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The detections that compete, and the pairs they form with the persons of their image.

    Attributes:
        kept: Shape (D,), int: indices into the detections; images in order, then best score first.
        image: Shape (D,), int: position of each kept detection's image in ``GroundTruth.image_ids``.
        rank: Shape (D,), int: 0 for the best of its image.
        detection: Shape (P,), int: position in ``kept`` of each pair; pairs run detection by detection.
        person: Shape (P,), int: index into the persons; rising within a detection.
    """

    kept: np.ndarray
    image: np.ndarray
    rank: np.ndarray
    detection: np.ndarray
    person: np.ndarray

    def some(self, which: np.ndarray) -> Pairs:
        """Some of the pairs of the same detections; ``which``: indices, or shape (P,), bool."""
        return Pairs(self.kept, self.image, self.rank, self.detection[which], self.person[which])


@dataclass(frozen=True, eq=False)
class Similarity:
    """exp(-e) of pairs.

    Attributes:
        pairs: The pairs.
        terms: Shape (P, K), float64: exp(-e) of each keypoint, labelled or not.
        box: Shape (P,), float64: the similarity to the person's doubled box, which stands in for OKS where no
            keypoint counts; NaN where it is not asked for.
    """

    pairs: Pairs
    terms: np.ndarray
    box: np.ndarray

    def some(self, which: np.ndarray) -> Similarity:
        """Of some of the pairs; ``which``: indices."""
        return Similarity(self.pairs.some(which), self.terms.take(which, axis=0), self.box[which])


def pair_up(truth: GroundTruth, detections: Detections, at_most: int | None = MAX_DETECTIONS) -> Pairs:
    """All pairs of a detection and a person of its image.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        at_most: Detections of one image that are kept, the best scored first; None for all of them.
    """
    position = np.searchsorted(truth.image_ids, detections.image)
    kept = np.lexsort((-detections.scores, position))
    image = position[kept]
    rank = rank_within(image)
    if at_most is not None:
        kept, image, rank = (a[rank < at_most] for a in (kept, image, rank))

    at = np.searchsorted(truth.image_ids, truth.image)
    persons = np.argsort(at, kind="stable")
    first = np.searchsorted(at[persons], np.arange(len(truth.image_ids) + 1))
    partners = (first[1:] - first[:-1])[image]
    detection = np.repeat(np.arange(len(kept)), partners)
    person = persons[np.repeat(first[image], partners) + _count_up(partners)]
    return Pairs(kept, image, rank, detection, person)


def within_reach(
    truth: GroundTruth, detections: Detections, sigmas: np.ndarray, pairs: Pairs, least: float
) -> np.ndarray:
    """The pairs with a labelled keypoint as similar as ``least``: no choice of keypoints gives others such an OKS.

    Most pairs of an image are persons far apart, and it takes no exponential to see that. In single precision, with
    the limits widened by what its rounding may cost: a pair too many does no harm.

    Args:
        truth: Annotated persons, image px.
        detections: Predicted persons, image px.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        pairs: Of them.
        least: OKS, above 0.

    Returns:
        Shape (P,), bool.
    """
    reach = _reach(sigmas, truth.area, least)
    farthest = max(np.abs(a).max(initial=0.0) for a in (truth.keypoints, detections.keypoints))
    near = np.empty(len(pairs.person), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not a number in single precision may be near
        limit = (reach * (1 + 2.0**-16) + farthest * 2.0**-21) ** 2
        limit = np.where(truth.visibility > 0, limit, -1.0).astype(np.float32)
        there, found = (_planes(a) for a in (truth.keypoints, detections.keypoints.take(pairs.kept, axis=0)))
        for part in _cut(len(near)):
            detection, person = pairs.detection[part], pairs.person[part]
            x, y = (a.take(detection, axis=0) - b.take(person, axis=0) for a, b in zip(found, there, strict=True))
            x *= x
            y *= y
            x += y
            far = x > limit.take(person, axis=0)
            near[part] = ~np.ascontiguousarray(far.T).all(axis=0)
    return near


def similarity(truth: GroundTruth, detections: Detections, sigmas: np.ndarray, pairs: Pairs) -> Similarity:
    """exp(-e) of pairs. The order of operations is pycocotools', so the numbers are the same to the last bit.

    Args:
        truth: Annotated persons, image px.
        detections: Predicted persons, image px.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        pairs: Of them.
    """
    place = detections.keypoints.take(pairs.kept[pairs.detection], axis=0)
    terms = _terms(place - truth.keypoints.take(pairs.person, axis=0), _spread(sigmas), truth.area[pairs.person])
    return Similarity(pairs, terms, np.full(len(terms), np.nan))


def box_similarity(
    truth: GroundTruth, detections: Detections, sigmas: np.ndarray, pairs: Pairs, least: float = 0.0
) -> np.ndarray:
    """What stands in for OKS where no keypoint of a person counts: by the distance from the person's doubled box.

    Args:
        truth: Annotated persons, image px.
        detections: Predicted persons, image px.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        pairs: Of them.
        least: What is certainly less than this need not be worked out.

    Returns:
        Shape (P,), float64; 0 for what is not worked out.
    """
    result = np.zeros(len(pairs.person))
    if not len(result):
        return result
    corner, sides = truth.bbox[:, :2], truth.bbox[:, 2:]
    low, high = (a.take(pairs.person, axis=0) for a in (corner - sides, corner + sides * 2))
    found = detections.keypoints.take(pairs.kept, axis=0)
    left, right = (a.take(pairs.detection, axis=0) for a in extents(found))
    reach = _reach(sigmas, truth.area, least).max(axis=1)[pairs.person, None] * (1 + 1e-6)
    inside = _both((left >= low) & (right <= high))
    result[inside] = 1  # at no distance every term is 1
    asked = np.flatnonzero(~inside & _both((left <= high + reach) & (right >= low - reach)))
    for part in _cut(len(asked)):
        some = asked[part]
        place = found.take(pairs.detection[some], axis=0)
        outside = np.maximum(0, low[some, None] - place) + np.maximum(0, place - high[some, None])
        terms = _terms(outside, _spread(sigmas), truth.area[pairs.person[some]])
        result[some] = terms.sum(axis=1) / len(sigmas)
    return result


def oks(similar: Similarity, counts: np.ndarray) -> np.ndarray:
    """OKS of each pair where only some keypoints count.

    Args:
        similar: What `similarity` computed.
        counts: Shape (G, K), bool: labelled and inside the mask.

    Returns:
        Shape (P,), float64; the similarity to the box where no keypoint of the person counts.
    """
    counts = counts.take(similar.pairs.person, axis=0)
    number = np.count_nonzero(counts, axis=1)
    result = similar.box.copy()
    # Summed over exactly the counting keypoints, as pycocotools does: adding zeros would change the order of
    # summation, and with it the last bit, on which a tie or a threshold can hang.
    for n in np.unique(number):
        if n:
            rows = np.flatnonzero(number == n)
            counting = similar.terms.take(rows, axis=0)[counts.take(rows, axis=0)]
            result[rows] = counting.reshape(len(rows), n).sum(axis=1) / n
    return result


def oks_from(similar: Similarity, counts: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """The pairs with an OKS of at least ``least``, in their order, and their OKS, as `oks` has it.

    Args:
        similar: What `similarity` computed.
        counts: Shape (G, K), bool: labelled and inside the mask.
        least: OKS.

    Returns:
        Indices of pairs, shape (N,), int, and their OKS, shape (N,), float64.
    """
    person = similar.pairs.person
    number = np.count_nonzero(counts, axis=1)
    if number.max(initial=0) <= 1:
        value = similar.terms[np.arange(len(person)), counts.argmax(axis=1)[person]]
        value = np.where(number[person] > 0, value, similar.box)
        chosen = np.flatnonzero(value >= least)
        return chosen, value[chosen]
    share = counts / np.maximum(number, 1)[:, None]
    rough = np.einsum("pk,pk->p", similar.terms, share.take(person, axis=0))
    rough = np.where(number[person] > 0, rough, similar.box)
    chosen = np.flatnonzero(rough >= least - 1e-9)
    value = oks(similar.some(chosen), counts)
    return chosen[value >= least], value[value >= least]


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


def _reach(sigmas: np.ndarray, area: np.ndarray, least: float) -> np.ndarray:
    """The distance at which exp(-e) is ``least``, of persons of some areas. Shape: (G, K), px."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(-2 * np.log(least) * _spread(sigmas) * (area + np.spacing(1))[:, None]))


def _planes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y of (N, K, 2), each (N, K), float32."""
    single = points.astype(np.float32)
    return single[..., 0].copy(), single[..., 1].copy()


def _cut(pairs: int) -> Iterator[slice]:
    return (slice(low, low + _PAIRS_AT_ONCE) for low in range(0, pairs, _PAIRS_AT_ONCE))


def _both(flags: np.ndarray) -> np.ndarray:
    """Whether what is true of x and of y is: of (N, 2). Shape: (N,), bool."""
    return np.asarray(flags[:, 0] & flags[:, 1])


def _terms(difference: np.ndarray, spread: np.ndarray, area: np.ndarray) -> np.ndarray:
    """exp(-e) for coordinate differences of shape (P, K, 2). Shape: (P, K)."""
    np.square(difference, out=difference)
    e = difference[..., 0] + difference[..., 1]
    e /= spread
    e /= (area + np.spacing(1))[:, None]
    e /= 2
    np.negative(e, out=e)
    return np.exp(e, out=e)


def extents(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x and y of (N, K, 2). Shape: (N, 2) each."""
    values = np.ascontiguousarray(points.reshape(len(points), 2 * points.shape[1]).T)  # x, y, x, ...
    axes = values[0::2], values[1::2]
    low, high = ([reduce(axis, axis=0) for axis in axes] for reduce in (np.min, np.max))
    return np.stack(low, axis=1), np.stack(high, axis=1)


def rank_within(groups: np.ndarray) -> np.ndarray:
    """Position of each entry within its run of equal values. Shape: (N,)."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return _count_up(np.diff(starts, append=len(groups)))


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
