"""Resampling by an affine map (STN), and the inverse of the map (SDTN), both differentiable.

Positions are normalised: -1 and 1 are the outer edges of the first and last pixel in x and in y, so that a map of a
quarter of an image's resolution has the same positions as the image; with ``align_corners`` they are the middles of
these pixels, under which a heatmap is up to 1.5 image px off near the edges.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pooling import sizes_are_constants

MIN_DETERMINANT = 1e-3
"""An area that is enlarged a thousandfold. Below it the inverse is that of a map of this determinant: neither source
has such a bound, but a localisation net that begins to collapse would else blow up every gradient behind it."""


def transformed(maps: Tensor, theta: Tensor, align_corners: bool = False) -> Tensor:
    """Maps looked at through an affine map: output(p) = maps(theta (p, 1)), bilinear, 0 outside.

    Args:
        maps: Shape (B, C, H, W).
        theta: Shape (B, 2, 3); rows and columns are x, y (and 1).
        align_corners: See above.

    Returns:
        Shape (B, C, H, W), float32 at least.
    """
    if maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    theta = theta.to(maps.dtype)
    with sizes_are_constants():
        height, width = (int(side) for side in maps.shape[-2:])
    x = _positions(width, theta, align_corners)[None, None, :]
    y = _positions(height, theta, align_corners)[None, :, None]
    # Written out: torch's affine_grid has no form in the ONNX that runtimes know.
    grid = torch.stack(
        [
            row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None]
            for row in (theta[:, 0], theta[:, 1])
        ],
        -1,
    )
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=align_corners)


def _positions(count: int, like: Tensor, align_corners: bool) -> Tensor:
    """Where the pixels along a side lie, shape (count,)."""
    if align_corners:
        return torch.linspace(-1, 1, count, dtype=like.dtype, device=like.device)
    return (torch.arange(count, dtype=like.dtype, device=like.device) * 2 + 1) / count - 1


def inverse(theta: Tensor) -> Tensor:
    """gamma: [g1 g2] = [t1 t2]^-1 by the adjugate, g3 = -[g1 g2] t3; gradients flow through it.

    Args:
        theta: Shape (B, 2, 3).

    Returns:
        Shape (B, 2, 3).
    """
    (a, b, x), (c, d, y) = theta[:, 0].unbind(-1), theta[:, 1].unbind(-1)
    determinant = a * d - b * c
    small = determinant.abs() < MIN_DETERMINANT
    bound = torch.where(determinant < 0, -MIN_DETERMINANT, MIN_DETERMINANT).to(determinant.dtype)
    determinant = torch.where(small, bound, determinant)
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return torch.stack([torch.stack([a, b, -(a * x + b * y)], -1), torch.stack([c, d, -(c * x + d * y)], -1)], 1)
