"""Whom a prediction belongs to: those of persons who do not count are left out (PROTOCOL section 5).

With boxes that is known, since a prediction belongs to the person of its box (`Detections.owner`). Without, it belongs
to the person it is matched to by OKS over all labelled keypoints (PROTOCOL section 9).
"""

from __future__ import annotations

import numpy as np

from .oks import MAX_DETECTIONS, Similarity, oks_from, pair_up, similarity, within_reach
from .types import Detections, GroundTruth

LEAST_OKS = 0.1
"""Below it a prediction belongs to nobody."""


def owners(truth: GroundTruth, detections: Detections, sigmas: np.ndarray) -> np.ndarray:
    """Whom each detection belongs to: as is known, or else by OKS.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        sigmas: Shape (K,): the keypoints' OKS sigmas.

    Returns:
        Shape (D,), int: indices into the persons; -1 for nobody.
    """
    if detections.owner is not None:
        return detections.owner
    sigmas = np.asarray(sigmas, dtype=np.float64)
    pairs = pair_up(truth, detections, at_most=None)
    near = within_reach(truth, detections, sigmas, pairs, LEAST_OKS)
    result = np.full(len(detections), -1)
    result[pairs.kept] = owners_by_oks(truth, similarity(truth, detections, sigmas, pairs.some(near)))
    return result


def owned(truth: GroundTruth, detections: Detections, sigmas: np.ndarray) -> Detections:
    """The detections that belong to somebody, with their owners. Arguments as of `owners`."""
    owner = owners(truth, detections, sigmas)
    return Detections(detections.image, detections.keypoints, detections.scores, owner).some(owner >= 0)


def owners_by_oks(truth: GroundTruth, similar: Similarity) -> np.ndarray:
    """One prediction per person: best score first, each takes the free person of the largest OKS, if at least .1.

    Of equal OKS the earlier person is taken; crowds and persons without a labelled keypoint belong to nobody's.

    Args:
        truth: Annotated persons.
        similar: Of all detections and the persons within reach of `LEAST_OKS`.

    Returns:
        Shape (D,), int: indices into the persons, in the order of ``pairs.kept``; -1 for nobody.
    """
    labelled = truth.visibility > 0
    possible = labelled.any(axis=1) & ~truth.crowd
    pairs = similar.pairs
    pair, value = oks_from(similar, labelled, LEAST_OKS)
    pair, value = (a[possible[pairs.person[pair]]] for a in (pair, value))
    order = np.lexsort((pairs.person[pair], -value, pairs.detection[pair]))
    detection, person = pairs.detection[pair[order]], pairs.person[pair[order]]
    starts = np.flatnonzero(np.diff(detection, prepend=-1))
    lengths = np.diff(starts, append=len(detection))
    turn = pairs.rank[detection[starts]]
    result = np.full(len(pairs.kept), -1)
    free = np.ones(len(truth), dtype=bool)
    # Detections of one image take turns; those of different images choose at the same time.
    for r in np.unique(turn):
        start, length = starts[turn == r], lengths[turn == r]
        choice = 0
        while len(start):
            who = person[start + choice]
            result[detection[start[free[who]]]] = who[free[who]]
            left = ~free[who]
            free[who] = False
            choice += 1
            left &= length > choice
            start, length = start[left], length[left]
    return result


def left_out(image: np.ndarray, rank: np.ndarray, owner: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The detections that do not compete under each mask: of persons who do not count, or not of the image's best 20.

    Args:
        image: Shape (D,), int: position of each detection's image; detections of one image stand together.
        rank: Shape (D,), int: 0 for the best of its image.
        owner: Shape (D,), int: index into the persons; -1 for nobody.
        gone: Shape (M, G), bool: persons whose predictions are left out.

    Returns:
        Shape (M, D), bool.
    """
    theirs = np.pad(gone, ((0, 0), (0, 1))).take(owner, axis=1)  # nobody's, -1, is the column of zeros
    crowded = np.zeros(int(image.max(initial=-1)) + 1, dtype=bool)
    crowded[image[rank >= MAX_DETECTIONS]] = True
    many = np.flatnonzero(crowded[image])
    out = theirs[:, many]
    before = np.cumsum(out, axis=1) - out
    first = np.searchsorted(image[many], image[many])
    theirs[:, many] |= rank[many] - (before - before[:, first]) >= MAX_DETECTIONS
    return theirs
