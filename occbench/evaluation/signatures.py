"""Which images changed from one cell to another, without keeping both cells: one number for each image and mask."""

from __future__ import annotations

import numpy as np

from .matching import THRESHOLDS, Matches, bit
from .pck import Hits

_OF_ANY_AREA = np.bitwise_or.reduce([bit(t, 0) for t in range(len(THRESHOLDS))])


def match_signatures(matches: Matches) -> np.ndarray:
    """Of AP: of the scores of an image's detections that are judged, and of the thresholds they are right at.

    Returns:
        Shape (M, I), uint64.
    """
    images = matches.persons_by_image.shape[1]
    order = np.argsort(matches.image, kind="stable")
    scores = _mixed(np.ascontiguousarray(matches.scores[order] + 0.0).view(np.uint64))
    right, wrong = (bits[:, order] & _OF_ANY_AREA for bits in (matches.right, matches.wrong))
    both = right.astype(np.uint64) << np.uint64(32) | wrong
    each = np.where(both > 0, _mixed(scores ^ both), np.uint64(0))
    return _summed(each, matches.image[order], images)


def hit_signatures(hits: Hits, image: np.ndarray, images: int) -> np.ndarray:
    """Of rates: of the persons in whom a column counts, and of those in whom it is correct.

    Args:
        hits: Of N persons and C columns.
        image: Shape (N,), int: position of each person's image.
        images: How many there are.

    Returns:
        Shape (C, images), uint64.
    """
    order = np.argsort(image, kind="stable")
    persons = np.arange(len(order), dtype=np.uint64)[:, None] << np.uint64(2)
    each = _mixed(persons | (hits.hit[order].astype(np.uint64) << np.uint64(1)) | hits.counted[order])
    return _summed(each.T, image[order], images)


def changed_images(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """How many images are not the same in all cells: of signatures (M, I) the numbers, shape (M,), int."""
    return np.count_nonzero(np.any([first != other for other in others], axis=0), axis=1)


def _mixed(number: np.ndarray) -> np.ndarray:
    """Scatters uint64 over all its bits, one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    number = number ^ (number >> np.uint64(30))
    number = number * np.uint64(0xBF58476D1CE4E5B9)
    number = number ^ (number >> np.uint64(27))
    number = number * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = number ^ (number >> np.uint64(31))
    return mixed


def _summed(each: np.ndarray, image: np.ndarray, images: int) -> np.ndarray:
    """Sums (modulo 2**64) of (M, N) by image, images rising. Shape: (M, images)."""
    result = np.zeros((len(each), images), dtype=np.uint64)
    if len(image):
        first = np.flatnonzero(np.diff(image, prepend=-1))
        result[:, image[first]] = np.add.reduceat(each, first, axis=1)
    return result
