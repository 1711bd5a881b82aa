"""Where the occluders stand: on the target, beside it, or elsewhere on the person (PROTOCOL section 8).

A disc centred on a keypoint tells a model that has learnt to read it where the keypoint is. Jitter, decoys and
placebos are the controls that tell robustness from such reading.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from .regions import Box, Size

TRIES = 500
MARGIN = 10.0
"""How far, in crop px, occluders may stand outside the box of the labelled keypoints."""
PIXEL = 1.0
"""How far decoys stay off other persons' keypoints, px of the picture: not even the pixel next to one is painted."""
NOBODY = np.empty((0, 2))
"""Keypoints of other persons where there are none."""


def person_rng(seed: int, person: int, level: str, target: str) -> np.random.Generator:
    """The generator of one person and target: the same positions for every fill, whatever else is attacked."""
    return np.random.default_rng([seed, abs(person), int(person < 0), zlib.crc32(f"{level}:{target}".encode())])


def jitter(radius: float, rng: np.random.Generator) -> np.ndarray:
    """A displacement drawn uniformly from the disc of ``radius``; shape (2,), x y in crop px."""
    angle = rng.uniform(0, 2 * math.pi)
    length = radius * math.sqrt(rng.uniform())
    return np.array([math.cos(angle), math.sin(angle)]) * length


def _candidates(labelled_points: np.ndarray, size: Size, rng: np.random.Generator, margin: float) -> np.ndarray:
    """:data:`TRIES` centres in the box of the labelled keypoints grown by ``margin``, inside the crop; (T, 2).

    None at all where that box lies outside the crop.
    """
    low = np.maximum(labelled_points.min(0) - margin, 0)
    high = np.minimum(labelled_points.max(0) + margin, (size[1] - 1, size[0] - 1))
    return rng.uniform(low, high, (TRIES, 2)) if (low <= high).all() else np.empty((0, 2))


def disc_decoys(
    n: int,
    labelled_points: np.ndarray,
    radius: float,
    size: Size,
    rng: np.random.Generator,
    margin: float = MARGIN,
    others: np.ndarray = NOBODY,
) -> list[tuple[float, float]]:
    """Centres of up to ``n`` discs elsewhere on the person.

    No centre is within two radii of a labelled keypoint or of another disc, and no disc lies on one of ``others``.

    Args:
        n: How many are wanted; fewer come back where they do not fit.
        labelled_points: The person's labelled keypoints, shape (N, 2), x y in crop px.
        radius: Of the discs, crop px.
        size: Height and width of what may hold centres, from the crop's top left corner on.
        rng: Random state.
        margin: How far they may stand outside the box of the labelled keypoints.
        others: Keypoints of other persons that stay free, shape (M, 2), likewise.
    """
    placed: list[tuple[float, float]] = []
    taken = labelled_points
    for centre in _candidates(labelled_points, size, rng, margin):
        if len(placed) == n:
            break
        apart = (np.linalg.norm(taken - centre, axis=1) > 2 * radius).all()
        if apart and (np.linalg.norm(others - centre, axis=1) > radius + PIXEL).all():
            placed.append((float(centre[0]), float(centre[1])))
            taken = np.vstack([taken, centre])
    return placed


def rectangle_decoys(
    n: int,
    labelled_points: np.ndarray,
    part_points: np.ndarray,
    box: Box,
    size: Size,
    rng: np.random.Generator,
    beside: bool,
    whole: bool = False,
    margin: float = MARGIN,
    others: np.ndarray = NOBODY,
) -> list[Box]:
    """Up to ``n`` rectangles of a part's own size elsewhere on the person.

    None covers a labelled keypoint of the part, none overlaps another, and none lies on one of ``others``.

    Args:
        n: How many are wanted; fewer come back where they do not fit.
        labelled_points: The person's labelled keypoints, shape (N, 2), x y in crop px.
        part_points: Those of them that belong to the part, shape (M, 2).
        box: The part's own rectangle.
        size: Height and width of the crop.
        rng: Random state.
        beside: Whether the part's own rectangle is painted as well, and so must not be overlapped.
        whole: Move the rectangle by whole px only, for one whose corners are whole.
        margin: How far their centres may stand outside the box of the labelled keypoints.
        others: Keypoints of other persons that stay free, shape (M, 2), x y in crop px.
    """
    own_centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    taken = [box] if beside else []
    placed: list[Box] = []
    for centre in _candidates(labelled_points, size, rng, margin):
        if len(placed) == n:
            break
        x1, y1, x2, y2 = moved(box, centre - own_centre, whole)
        grown = (x1 - PIXEL, y1 - PIXEL, x2 + PIXEL, y2 + PIXEL)
        covers = bool(_within(part_points, (x1, y1, x2, y2)).any() or _within(others, grown).any())
        overlaps = any(x1 <= b[2] and b[0] <= x2 and y1 <= b[3] and b[1] <= y2 for b in taken)
        if not covers and not overlaps:
            placed.append((x1, y1, x2, y2))
            taken.append(placed[-1])
    return placed


def _within(points: np.ndarray, box: Box) -> np.ndarray:
    """Which of (N, 2) points lie in a box, edges included; shape (N,), bool."""
    return np.asarray(((points >= box[:2]) & (points <= box[2:])).all(1))


def moved(box: Box, by: np.ndarray, whole: bool) -> Box:
    """A rectangle displaced by (2,) px, x y.

    Args:
        box: The rectangle.
        by: How far.
        whole: Leave out the displacement's fraction, so that a rectangle with whole corners keeps its number of
            pixels: one with both edges included covers a row and a column less anywhere between whole pixels.
    """
    dx, dy = (np.trunc(by) if whole else by).tolist()
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy
