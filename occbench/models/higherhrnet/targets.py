"""What a bottom-up network is to say: heatmaps at every level, and where the tags of each joint are read.

Everything goes by the TRUNCATED coordinate, int(x) towards zero: the pixel that decoding adds its half px to
(:mod:`.grouping`). Rounding here, as MMPose's codec does, would put every joint .8 to 1.3 px of the input off.
"""

from __future__ import annotations

import numpy as np


def heatmap_targets(points: np.ndarray, visible: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Unnormalised Gaussians on the truncated coordinates, the largest of the persons at every pixel.

    A Gaussian reaches 3 sigma + 1 px each way; a joint whose pixel lies outside of the map leaves nothing.

    Args:
        points: Shape (N, K, 2), px of the map.
        visible: Shape (N, K), bool.
        size: Width and height of the map.
        sigma: Px.

    Returns:
        Shape (K, H, W), float32.
    """
    width, height = size
    maps = np.zeros((points.shape[1], height, width), np.float32)
    reach = int(3 * sigma + 1)
    steps = np.arange(-reach, reach + 1)
    gaussian = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * sigma**2)).astype(np.float32)
    for n, k in np.argwhere(visible & inside(points, size)):
        x, y = (int(value) for value in points[n, k])
        top, bottom = max(0, y - reach), min(height, y + reach + 1)
        left, right = max(0, x - reach), min(width, x + reach + 1)
        window = maps[k, top:bottom, left:right]
        corner = reach - (y - top), reach - (x - left)
        rows, columns = window.shape
        np.maximum(window, gaussian[corner[0] : corner[0] + rows, corner[1] : corner[1] + columns], out=window)
    return maps


def tag_indices(points: np.ndarray, visible: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where the tag of each joint is read, in flattened tags (K, H, W).

    Args:
        points: Shape (N, K, 2), px of the map.
        visible: Shape (N, K), bool.
        size: Width and height of the map.

    Returns:
        Shape (N, K, 2), int64: the index k H W + y W + x, and 1; both 0 where the joint is not labelled or outside.
    """
    width, height = size
    there = visible & inside(points, size)
    pixel = np.where(there[..., None], points, 0).astype(np.int64)
    joint = np.arange(points.shape[1])[None] * (height * width)
    index = joint + pixel[..., 1] * width + pixel[..., 0]
    return np.stack([np.where(there, index, 0), there], -1).astype(np.int64)


def inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whether the truncated coordinate is a pixel of the map, shape (...), bool; -.5 is pixel 0."""
    with np.errstate(invalid="ignore"):
        pixel = np.trunc(points)
        return np.asarray(((pixel >= 0) & (pixel < np.array(size))).all(-1))
