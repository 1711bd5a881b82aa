"""Boxes of a cascade: normalised coordinates (Eq. 1, 2), boxes around joints and what a stage adds (Eq. 6).

Lengths and points are in any one unit; the cascade uses canvas units: the middle of the canvas is (0, 0), its sides are
1 long, and positions count edges, so that -.5 and .5 are its border.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.stages import MIN_DIAMETER


def normalise(points: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """Points in the units of a box (Eq. 1): -.5 to .5 inside of it.

    Args:
        points: Shape (..., 2).
        centre: Of the box, shape (..., 2).
        size: Width and height of the box, shape (..., 2); or one side of a square, shape (..., 1).
    """
    return (points - centre) / size


def denormalise(values: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """The inverse of :func:`normalise`."""
    return values * size + centre


def diameter(poses: Tensor, ends: tuple[int, int]) -> Tensor:
    """From a shoulder to the opposite hip of each pose.

    Args:
        poses: Shape (..., K, 2).
        ends: Which keypoints these are.

    Returns:
        Shape (...).
    """
    return torch.linalg.vector_norm(poses[..., ends[0], :] - poses[..., ends[1], :], dim=-1)


def joint_side(poses: Tensor, ends: tuple[int, int], sigma: float, floor: float = MIN_DIAMETER) -> Tensor:
    """The side of the square around every joint of a pose: sigma times its diameter, which is at least ``floor``.

    The paper has no floor. Without one a pose that collapsed to a point has boxes without pixels.
    """
    return sigma * diameter(poses, ends).clamp(min=floor)


def refine(poses: Tensor, displacements: Tensor, side: Tensor) -> Tensor:
    """The next stage's poses (Eq. 6): a joint moves by its displacement, in sides of its box.

    As printed, the box's centre would be added twice; the centre is the joint of the stage before, so this is
    N^-1(displacement; box).

    Args:
        poses: Of the stage before, shape (..., K, 2).
        displacements: Normalised by the box of each joint, shape (..., K, 2).
        side: Of the boxes, shape (...).
    """
    return denormalise(displacements, poses, side[..., None, None])


def sample_boxes(canvas: Tensor, centre: Tensor, side: Tensor, size: int) -> Tensor:
    """Squares cut out of canvases, bilinear; 0 where they leave it, as outside of a photo.

    Args:
        canvas: Shape (B, C, S, S).
        centre: Shape (B, 2), canvas units.
        side: Shape (B,), canvas units.
        size: Px of the crops' sides.

    Returns:
        Shape (B, C, size, size).
    """
    steps = (torch.arange(size, dtype=centre.dtype, device=centre.device) + 0.5) / size - 0.5
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    offsets = torch.stack([columns, rows], -1)
    places = centre[:, None, None] + side[:, None, None, None] * offsets
    return sample(canvas, places)


def sample(canvas: Tensor, places: Tensor) -> Tensor:
    """Canvases read at places, bilinear, 0 outside of them.

    Args:
        canvas: Shape (B, C, S, S).
        places: Shape (B, h, w, 2), canvas units.

    Returns:
        Shape (B, C, h, w).
    """
    grid = (2 * places).to(canvas.dtype)
    return F.grid_sample(canvas, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
