"""The attacks once more, slowly: loops over pixels written from PROTOCOL sections 2 to 4, with nothing of the package.

Points are plain tuples of numbers, x y in crop px; Fractions make a rule exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import cv2
import numpy as np

Point = Sequence[Fraction] | Sequence[float]
Size = tuple[int, int]

KEYPOINTS = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
]

PARTS = {
    "head": {"nose", "left_eye", "right_eye", "left_ear", "right_ear"},
    "left_arm": {"left_shoulder", "left_elbow", "left_wrist"},
    "right_arm": {"right_shoulder", "right_elbow", "right_wrist"},
    "hip": {"left_hip", "right_hip"},
    "left_leg": {"left_hip", "left_knee", "left_ankle"},
    "right_leg": {"right_hip", "right_knee", "right_ankle"},
    "corpus": {"left_shoulder", "right_shoulder", "left_hip", "right_hip"},
    "upper_body": {
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
        *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    },
    "lower_body": {"left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"},
    "left_side": {
        *("left_eye", "left_ear", "left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle"),
    },
    "right_side": {
        *("right_eye", "right_ear", "right_shoulder", "right_elbow"),
        *("right_wrist", "right_hip", "right_knee", "right_ankle"),
    },
}


def pixels(size: Size, inside: Callable[[int, int], bool]) -> np.ndarray:
    """Shape ``size``, bool: the pixels (x, y) that are inside."""
    mask = np.zeros(size, dtype=bool)
    for y in range(size[0]):
        for x in range(size[1]):
            mask[y, x] = inside(x, y)
    return mask


def disc(centre: Point, radius: float, size: Size) -> np.ndarray:
    """(x - x0)^2 + (y - y0)^2 <= r^2."""
    x0, y0 = centre
    return pixels(size, lambda x, y: (x - x0) ** 2 + (y - y0) ** 2 <= radius**2)


def disc_thesis(centre: Point, radius: float, size: Size) -> np.ndarray:
    """Skipped unless 0 <= x < crop height and 0 <= y < crop width."""
    height, width = size
    x, y = centre
    return disc(centre, radius, size) if 0 <= x < height and 0 <= y < width else np.zeros(size, dtype=bool)


def part(points: dict[str, Point], name: str, radius: float, size: Size) -> np.ndarray:
    """The minimum rectangle of the labelled keypoints (``points``) of a part, grown by r; both edges included."""
    own = [points[k] for k in PARTS[name] if k in points]
    if len(own) < 2:
        return np.zeros(size, dtype=bool)
    x1, y1 = min(x for x, _ in own) - radius, min(y for _, y in own) - radius
    x2, y2 = max(x for x, _ in own) + radius, max(y for _, y in own) + radius
    return pixels(size, lambda x, y: bool(x1 <= x <= x2 and y1 <= y <= y2))


def d(a: Point, b: Point) -> tuple[Fraction, Fraction]:
    """d(a, b) = elementwise max(|a - b|, 0.25 * swap(|a - b|))."""
    dx, dy = abs(Fraction(a[0]) - Fraction(b[0])), abs(Fraction(a[1]) - Fraction(b[1]))
    return max(dx, dy / 4), max(dy, dx / 4)


def part_thesis(points: dict[str, Point], name: str, size: Size) -> np.ndarray:
    """Centre and sides by part in exact arithmetic; corners truncated to integers, the far edge exclusive."""
    own = {k: (Fraction(p[0]), Fraction(p[1])) for k, p in points.items() if k in PARTS[name]}
    if len(own) < 2:
        return np.zeros(size, dtype=bool)
    (cx, cy), (w, h) = _thesis_centre_and_sides(own, name)
    x1, y1 = math.trunc(cx - w / 2), math.trunc(cy - h / 2)
    x2, y2 = math.trunc(cx + w / 2), math.trunc(cy + h / 2)
    return pixels(size, lambda x, y: x1 <= x < x2 and y1 <= y < y2)


def _thesis_centre_and_sides(own: dict[str, tuple[Fraction, Fraction]], name: str) -> tuple[Point, Point]:
    xs, ys = [x for x, _ in own.values()], [y for _, y in own.values()]
    centre = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    sides = max(xs) - min(xs), max(ys) - min(ys)
    if name == "head":
        return centre, (sides[0] * Fraction("1.2"), sides[1] * Fraction("1.2"))
    if name == "hip":
        across = d(own["left_hip"], own["right_hip"])
        return centre, (2 * across[0], 2 * across[1])
    side, _, limb = name.partition("_")
    if limb in ("arm", "leg") and len(own) == 2:
        near, middle, far = (
            f"{side}_{joint}" for joint in {"arm": "shoulder elbow wrist", "leg": "hip knee ankle"}[limb].split()
        )
        if middle not in own:
            return centre, d(own[near], own[far])
        reach = d(own[near if near in own else far], own[middle])
        return own[middle], (2 * reach[0], 2 * reach[1])
    return centre, sides


def nearest_mean(crop: np.ndarray, channel: int) -> set[int]:
    """Every integer that is nearest to a channel's mean: one, or two where it lies halfway."""
    total = sum(int(value) for row in crop[..., channel].tolist() for value in row)
    count = crop.shape[0] * crop.shape[1]
    return {v for v in (total // count, total // count + 1) if 2 * abs(v * count - total) <= count}


def truncated_mean(crop: np.ndarray, channel: int) -> int:
    """A channel's mean without its fraction."""
    return sum(int(value) for row in crop[..., channel].tolist() for value in row) // (crop.shape[0] * crop.shape[1])


def keypoint_blur(crop: np.ndarray, radius: int) -> np.ndarray:
    """The whole crop under kernel 2r - 1, sigma 0.3 ((k - 1)/2 - 1) + 0.8."""
    k = 2 * radius - 1
    return cv2.GaussianBlur(crop, (k, k), 0.3 * ((k - 1) / 2 - 1) + 0.8)


def part_blur(crop: np.ndarray) -> np.ndarray:
    """The whole crop under kernel 31, sigma 5."""
    return cv2.GaussianBlur(crop, (31, 31), 5)


def gaussian_at(crop: np.ndarray, x: int, y: int, kernel: int, sigma: float) -> list[float]:
    """One pixel of a Gaussian blur, mirrored at the crop's edge without repeating the edge pixel."""
    half = kernel // 2
    weights = [math.exp(-((i - half) ** 2) / (2 * sigma**2)) for i in range(kernel)]
    total = [0.0] * crop.shape[-1]
    for i, wy in enumerate(weights):
        for j, wx in enumerate(weights):
            source = crop[_mirrored(y + i - half, crop.shape[0]), _mirrored(x + j - half, crop.shape[1])]
            for channel, value in enumerate(source.tolist()):
                total[channel] += wy * wx * value
    return [value / sum(weights) ** 2 for value in total]


def _mirrored(at: int, length: int) -> int:
    at = abs(at)
    return 2 * (length - 1) - at if at >= length else at
