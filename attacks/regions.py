"""The painted regions, in crop px: discs and rectangles, by both rules (PROTOCOL section 3).

Pixel centres lie at integer coordinates, as in MMPose's affine; nothing is rounded before the comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .targets import Skeleton

Size = tuple[int, int]
"""Height and width of a crop, px."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in crop px, edges included."""


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of a crop: a window and which of its pixels belong to it.

    Attributes:
        top: First row of the window.
        left: First column of the window.
        mask: Shape (rows, columns), bool; never empty of True.
        centre: x, y in crop px of the whole disc or rectangle, what lies outside of the crop included.
        patch: Shape (rows, columns, 3), uint8: what is painted there, times ``alpha`` where there is one; None where
            the fill is made from the crop itself.
        alpha: Shape (rows, columns), uint8: how much of the patch is painted, pixels outside of the mask included;
            None for all of it where the mask is.
        beyond: Pixels of the mask that lie beyond the disc or rectangle that the object stands for.
    """

    top: int
    left: int
    mask: np.ndarray
    centre: tuple[float, float]
    patch: np.ndarray | None = None
    alpha: np.ndarray | None = None
    beyond: int = 0

    @property
    def window(self) -> tuple[slice, slice]:
        """Slices that cut the window out of a crop."""
        rows, columns = self.mask.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether the pixel nearest to each point is painted.

        Args:
            points: Shape (N, 2), x y in crop px.

        Returns:
            Shape (N,), bool; False for points that are not finite.
        """
        nearest = np.rint(points) - (self.left, self.top)
        inside = ((nearest >= 0) & (nearest < self.mask.shape[::-1])).all(-1)
        x, y = nearest[inside].astype(np.int64).T
        inside[inside] = self.mask[y, x]
        return inside


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """First pixel and one past the last with ``low <= pixel <= high``, clipped to the crop."""
    return max(0, math.ceil(low)), min(size, math.floor(high) + 1)


def disc(centre: tuple[float, float], radius: float, size: Size) -> Region | None:
    """The disc (x - x0)^2 + (y - y0)^2 <= r^2, or None where it holds no pixel of the crop.

    Args:
        centre: x, y in crop px.
        radius: Crop px.
        size: Height and width of the crop.
    """
    x0, y0 = centre
    if not (math.isfinite(x0) and math.isfinite(y0)):
        return None
    top, bottom = _span(y0 - radius, y0 + radius, size[0])
    left, right = _span(x0 - radius, x0 + radius, size[1])
    if top >= bottom or left >= right:
        return None
    y = np.arange(top, bottom)[:, None] - y0
    x = np.arange(left, right)[None] - x0
    mask = x * x + y * y <= radius * radius
    return Region(top, left, mask, centre) if mask.any() else None


def disc_thesis(centre: tuple[float, float], radius: float, size: Size) -> Region | None:
    """:func:`disc`, left out as the thesis' code leaves it out: it compares x with the height and y with the width."""
    height, width = size
    x, y = centre
    return disc(centre, radius, size) if 0 <= x < height and 0 <= y < width else None


def rectangle(box: Box, size: Size) -> Region | None:
    """The pixels with x1 <= x <= x2 and y1 <= y <= y2, or None where there are none in the crop."""
    if not all(math.isfinite(edge) for edge in box):
        return None
    x1, y1, x2, y2 = box
    top, bottom = _span(y1, y2, size[0])
    left, right = _span(x1, x2, size[1])
    if top >= bottom or left >= right:
        return None
    return Region(top, left, np.ones((bottom - top, right - left), dtype=bool), ((x1 + x2) / 2, (y1 + y2) / 2))


def part_box(points: np.ndarray, radius: float) -> Box | None:
    """Rule ``corrected``: the minimum rectangle of the labelled keypoints, grown by ``radius`` on every side.

    Args:
        points: Labelled keypoints of the part, shape (N, 2), x y in crop px.
        radius: Crop px.

    Returns:
        The box, or None with fewer than two keypoints.
    """
    if len(points) < 2:
        return None
    (x1, y1), (x2, y2) = points.min(0).tolist(), points.max(0).tolist()
    return x1 - radius, y1 - radius, x2 + radius, y2 + radius


def part_box_thesis(skeleton: Skeleton, part: str, keypoints: np.ndarray, labelled: np.ndarray) -> Box | None:
    """Rule ``thesis``: centre and sides by part, corners truncated, the far edge exclusive.

    Args:
        skeleton: Whose part it is.
        part: Name of the part.
        keypoints: Every keypoint of the person, shape (K, 2), x y in crop px.
        labelled: Shape (K,), bool.

    Returns:
        The box with its far edge already moved in by one px, or None with fewer than two labelled keypoints.
    """
    members = skeleton.indices("part", part)
    given = labelled[members]
    points = keypoints[members]
    if given.sum() < 2:
        return None
    low, high = points[given].min(0), points[given].max(0)
    centre, sides = (low + high) / 2, high - low
    # The rules by name need the joints that the thesis had in mind; a part that has others gets its minimum rectangle.
    if part == "head" and len(points) == 2:  # a neck and the top of the head, as MPII has them
        sides = np.array([2, 1]) * _thesis_distance(*points)
    elif part == "head":
        sides = sides * 1.2
    elif part == "hip" and len(points) == 2:
        sides = 2 * _thesis_distance(*points)
    elif part.endswith(("_arm", "_leg")) and len(points) == 3 and not given.all():
        first, middle, last = points
        if given[1]:
            neighbour = first if given[0] else last
            centre, sides = middle, 2 * _thesis_distance(neighbour, middle)
        else:
            sides = _thesis_distance(first, last)
    x1, y1 = np.trunc(centre - sides / 2).tolist()
    x2, y2 = np.trunc(centre + sides / 2).tolist()
    return x1, y1, x2 - 1, y2 - 1


def _thesis_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The thesis' d(a, b): elementwise max(|a - b|, 0.25 swap(|a - b|)), x y."""
    d = np.abs(a - b)
    return np.maximum(d, 0.25 * d[::-1])
