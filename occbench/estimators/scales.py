"""Testing on an image pyramid: the crop at several scales, heatmaps averaged before they are decoded.

Every scale is made of the crop as it is at scale 1, after the attack: magnified or shrunk around its middle, which is
the box's, by MMPose's own affine. So all scales see the same hidden region, and nothing that the crop does not show:
what a shrunk crop leaves free is black, as MMPose fills what lies outside of a photo.

Heatmaps go back to the coordinates of scale 1 before they are averaged. A magnified crop shows its inner part only, so
each point's average is over the scales that show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..system.compat import setup_mmpose
from ..system.errors import OccbenchError

if TYPE_CHECKING:
    import torch

SMALLEST, LARGEST, MOST = 0.25, 4.0, 16


def parse_scales(values: Sequence[str]) -> tuple[float, ...]:
    """Scales from the command line, in rising order; nothing for scale 1 alone.

    Raises:
        OccbenchError: One is no number or out of bounds, is given twice, or none shows the whole crop.
    """
    try:
        scales = sorted(float(value) for value in values)
    except ValueError:
        scales = [math.nan]
    if not all(SMALLEST <= scale <= LARGEST for scale in scales) or len(scales) > MOST:
        raise OccbenchError(
            f"--scales are up to {MOST} numbers from {SMALLEST:g} to {LARGEST:g}, as in 0.8,0.9,1,1.1,1.2,1.3, but got "
            f"{','.join(values)}"
        )
    if len(set(scales)) < len(scales):
        raise OccbenchError(f"--scales names a scale twice: {','.join(values)}")
    if scales and scales[0] > 1:
        raise OccbenchError(f"--scales {','.join(values)} never shows the whole crop: one scale must be at most 1")
    return () if scales == [1] else tuple(scales)


def rescaled(images: np.ndarray, scale: float) -> np.ndarray:
    """Crops, shape (B, h, w, 3), uint8, magnified by ``scale`` around their middle; the same shape, black outside."""
    if scale == 1:
        return images
    setup_mmpose()
    from mmpose.structures.bbox import get_warp_matrix

    height, width = images.shape[1:3]
    size = np.array([width, height], dtype=np.float32)
    matrix = get_warp_matrix(size / 2, size / np.float32(scale), 0, (width, height))
    return np.stack([cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR) for image in images])


def averaged(
    outputs: Iterable[tuple[float, torch.Tensor]], factor: Sequence[float], input_size: Sequence[int]
) -> torch.Tensor:
    """The mean of heatmaps of several scales, in the coordinates of scale 1.

    Args:
        outputs: Scales and heatmaps (B, K, H, W), float32, of crops that :func:`rescaled` made.
        factor: Crop px per heatmap px, along x and y.
        input_size: Width and height of the crop.

    Returns:
        Shape (B, K, H, W), float32. Each point is the mean over the scales that show it, bilinear between heatmap px.
    """
    import torch

    total = count = None
    for scale, maps in outputs:
        back, shows = _at_one(maps, scale, factor, input_size)
        total = back if total is None else total + back
        count = shows if count is None else count + shows
    if total is None or count is None:
        raise ValueError("no scale is given")
    return torch.where(count > 0, total / count.clamp(min=1), 0)


def _at_one(
    maps: torch.Tensor, scale: float, factor: Sequence[float], input_size: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Heatmaps in the coordinates of scale 1, 0 where this scale does not show them; and (H, W), 1 where it does."""
    import torch

    height, width = maps.shape[-2:]
    if scale == 1:
        return maps, maps.new_ones(height, width)
    axes, inside = [], []
    for length, step, size in ((width, factor[0], input_size[0]), (height, factor[1], input_size[1])):
        middle = size / 2 / float(step)
        places = middle + scale * (torch.arange(length, dtype=torch.float64, device=maps.device) - middle)
        inside.append((places >= 0) & (places <= length - 1))
        axes.append((2 * places / (length - 1) - 1).to(maps.dtype))
    rows, columns = torch.meshgrid(axes[1], axes[0], indexing="ij")
    grid = torch.stack([columns, rows], -1).expand(len(maps), -1, -1, -1)
    back = torch.nn.functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=True)
    shows = (inside[1][:, None] & inside[0]).to(maps.dtype)
    return back * shows, shows
