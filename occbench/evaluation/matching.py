"""COCO's greedy matching of detections to persons, for all masks, OKS thresholds and area ranges at once.

The 10 thresholds x 3 area ranges of one detection are the bits of one integer: matching them all costs what matching
one costs. Detections of one image must take turns (the best scored chooses first), those of different images, and of
different masks, need not: each turn handles all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .oks import Similarity, extents, oks_from, rank_within
from .types import Detections, GroundTruth

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""OKS thresholds. Shape: (T=10,)."""
AREAS = np.array([[0.0, 1e5**2], [32.0**2, 96.0**2], [96.0**2, 1e5**2]])
"""All, medium and large persons: least and greatest area, image px squared. Shape: (A=3, 2)."""

_T, _A = len(THRESHOLDS), len(AREAS)
_ALL_BITS = np.uint32(2 ** (_T * _A) - 1)
# Bit a * T + t stands for threshold t in area range a.
_UP_TO = np.array([sum((2**t - 1) << (a * _T) for a in range(_A)) for t in range(_T + 1)], dtype=np.uint32)
"""For n thresholds reached: the first n bits of every area range."""
_RANGE = np.array([(2**_T - 1) << (a * _T) for a in range(_A)], dtype=np.uint32)
"""All thresholds of one area range."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Who is right, under M masks. Bit a * 10 + t of an integer speaks of threshold t in area range a.

    Attributes:
        right: Shape (M, D), uint32: true positives; detections best score of all images first.
        wrong: Shape (M, D), uint32: false positives. A bit set in neither: the detection is ignored or left out.
        scores: Shape (D,): of the detections.
        owner: Shape (D,), int: whom each belongs to, an index into the persons; -1 for nobody, or not asked for.
        persons: Shape (M, A), int: persons that count.
        image: Shape (D,), int32: position of each detection's image in ``GroundTruth.image_ids``.
        persons_by_image: Shape (M, I), int: persons of any area that count, by image.
    """

    right: np.ndarray
    wrong: np.ndarray
    scores: np.ndarray
    owner: np.ndarray
    persons: np.ndarray
    image: np.ndarray
    persons_by_image: np.ndarray

    @staticmethod
    def join(parts: list[Matches]) -> Matches:
        """Put together what was matched image by image. The parts' images follow one another."""
        before = np.cumsum([0] + [part.persons_by_image.shape[1] for part in parts])
        image = np.concatenate([part.image + b for part, b in zip(parts, before, strict=False)])
        scores = np.concatenate([part.scores for part in parts])
        # Stable: of equal scores the earlier image's comes first, as in pycocotools.
        order = np.argsort(-scores, kind="stable")
        return Matches(
            right=np.concatenate([part.right for part in parts], axis=1)[:, order],
            wrong=np.concatenate([part.wrong for part in parts], axis=1)[:, order],
            scores=scores[order],
            owner=np.concatenate([part.owner for part in parts])[order],
            persons=np.sum([part.persons for part in parts], axis=0),
            image=image[order].astype(np.int32),
            persons_by_image=np.concatenate([part.persons_by_image for part in parts], axis=1),
        )


def _outside(area: np.ndarray) -> np.ndarray:
    """The bits of the area ranges that areas are outside of. Shape: (N,), uint32."""
    out = [
        np.where((area < low) | (area > high), own, np.uint32(0))
        for (low, high), own in zip(AREAS, _RANGE, strict=True)
    ]
    return np.bitwise_or.reduce(out)


def bit(threshold: int, area: int) -> np.uint32:
    """The bit of one threshold in one area range."""
    return np.uint32(1 << (area * _T + threshold))


def of_area(area: int) -> np.uint32:
    """The bits of all thresholds in one area range."""
    return np.uint32(_RANGE[area])


def match(
    truth: GroundTruth,
    similar: Similarity,
    detections: Detections,
    counts: np.ndarray,
    ignored: np.ndarray,
    gone: np.ndarray,
    out: np.ndarray,
    owner: np.ndarray,
) -> Matches:
    """Match under M masks. In the result the detections that compete stand image by image, the best of each first.

    Args:
        truth: Annotated persons.
        similar: Of all pairs that may reach the lowest threshold, boxes where they can be asked for.
        detections: Predicted persons.
        counts: Shape (M, G, K), bool: labelled and inside the mask.
        ignored: Shape (M, G), bool: crowd, or no keypoint by which to judge.
        gone: Shape (M, G), bool: those of them who take nothing that is somebody's. COCO lets a prediction fall to an
            ignored person by the distance of all its keypoints from their box, so a miss of one person would count or
            not by keypoints outside of the mask.
        out: Shape (M, D), bool: which of ``pairs.kept`` do not compete, see `occbench.evaluation.owners.left_out`.
        owner: Shape (D,), int: whom each of them belongs to, as the result is to say it.
    """
    pairs = similar.pairs
    candidates = _candidates(similar, counts, out, gone, owner >= 0)
    ignore_bits = np.where(ignored, _ALL_BITS, _outside(truth.area))  # (M, G)
    hidden = ignore_bits[:, None, :] & _RANGE[:, None] != 0  # (M, A, G)
    persons = np.count_nonzero(~hidden, axis=2)
    matched, dropped = _take_turns(candidates, pairs.image, ignore_bits, truth.crowd)
    low, high = extents(detections.keypoints[pairs.kept])
    far = _outside((high - low).prod(axis=1))
    wrong = np.where(out, np.uint32(0), _ALL_BITS & ~matched & ~far)
    home = np.searchsorted(truth.image_ids, truth.image)
    by_image = [np.bincount(home[~h], minlength=len(truth.image_ids)) for h in hidden[:, 0]]
    here = ~out.all(axis=0)  # the others compete under no mask
    return Matches(
        right=(matched & ~dropped)[:, here],
        wrong=wrong[:, here],
        scores=detections.scores[pairs.kept[here]],
        owner=owner[here],
        persons=persons,
        image=pairs.image[here],
        persons_by_image=np.array(by_image).reshape(len(counts), len(truth.image_ids)),
    )


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Pairs whose OKS reaches the lowest threshold. Sorted by mask and detection, the preferred person first.

    A detection prefers the person of highest OKS and, between equal ones, the later one (pycocotools' loop keeps
    the last of equals).
    """

    chooser: np.ndarray  # (E,) mask * D + detection
    mask: np.ndarray  # (E,)
    detection: np.ndarray  # (E,)
    person: np.ndarray  # (E,)
    reach: np.ndarray  # (E,) uint32, bits of the thresholds that the OKS reaches


def _candidates(
    similar: Similarity, counts: np.ndarray, out: np.ndarray, gone: np.ndarray, owned: np.ndarray
) -> _Candidates:
    masks, columns, values = [], [], []
    limits = np.minimum(THRESHOLDS, 1 - 1e-10)
    pairs = similar.pairs
    for m, inside in enumerate(counts):
        chosen, value = oks_from(similar, inside, limits[0])
        detection, person = pairs.detection[chosen], pairs.person[chosen]
        allowed = ~(out[m, detection] | (owned[detection] & gone[m, person]))
        masks.append(np.full(np.count_nonzero(allowed), m))
        columns.append(chosen[allowed])
        values.append(value[allowed])
    mask, column, value = np.concatenate(masks), np.concatenate(columns), np.concatenate(values)
    detection, person = pairs.detection[column], pairs.person[column]
    chooser = mask * len(pairs.kept) + detection
    # Sorted already but for the choosers that have several candidates: only those are sorted.
    rivals = chooser[1:] == chooser[:-1]
    several = np.flatnonzero(np.append(rivals, False) | np.insert(rivals, 0, False))
    preferred = several[np.lexsort((-person[several], -value[several], chooser[several]))]
    place = np.arange(len(chooser))
    place[several] = preferred
    reach = _UP_TO[np.searchsorted(limits, value, side="right")]
    return _Candidates(chooser, mask, detection[place], person[place], reach[place])


def _take_turns(
    candidates: _Candidates,
    image: np.ndarray,
    ignore_bits: np.ndarray,
    crowd: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The greedy choice. Returns the bits matched, and matched to an ignored person: each (M, D), uint32."""
    masks, persons = ignore_bits.shape
    matched, dropped = (np.zeros(masks * len(image), dtype=np.uint32) for _ in range(2))
    person = candidates.mask * persons + candidates.person
    ignorable = candidates.reach & ignore_bits.ravel()[person]
    free = np.full(masks * persons, _ALL_BITS)
    endless = crowd[candidates.person]

    def choose(entry: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Of the bits that each entry wants, those in which its person is free, and no longer is."""
        who = person[entry]
        before = free[who]
        free[who] = before & ~wanted
        taken: np.ndarray = wanted & np.where(endless[entry], _ALL_BITS, before)
        return taken

    starts = np.flatnonzero(np.diff(candidates.chooser, prepend=-1))
    lengths = np.diff(starts, append=len(candidates.chooser))
    turn = rank_within(candidates.mask[starts] * (image.max(initial=0) + 1) + image[candidates.detection[starts]])
    order = np.lexsort((-lengths, turn))
    for start, length in _runs(turn[order], starts[order], lengths[order]):
        several = int(np.searchsorted(-length, -1, side="left"))
        got, lost = (np.zeros(len(start), dtype=np.uint32) for _ in range(2))
        # Who has one candidate takes it as it is.
        entry = start[several:]
        got[several:] = choose(entry, candidates.reach[entry])
        lost[several:] = got[several:] & ignorable[entry]
        # Of several, persons that count come before ignored ones, whatever the OKS.
        for ignored in (False, True):
            for choice in range(int(length[0]) if several else 0):
                number = int(np.searchsorted(-length, -choice, side="left"))
                entry = start[:number] + choice
                role = ignorable[entry] if ignored else candidates.reach[entry] & ~ignorable[entry]
                taken = choose(entry, role & ~got[:number])
                got[:number] |= taken
                if ignored:
                    lost[:number] |= taken
        matched[candidates.chooser[start]] = got
        dropped[candidates.chooser[start]] = lost
    return matched.reshape(masks, -1), dropped.reshape(masks, -1)


def _runs(key: np.ndarray, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Arrays cut where the key changes."""
    edges = [*np.flatnonzero(np.diff(key, prepend=-1)), len(key)]
    for low, high in pairwise(edges):
        yield tuple(array[low:high] for array in arrays)
