"""Heatmaps and points of mirrored crops, brought back."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache
def _index(mirror: tuple[int, ...], device: torch.device) -> Tensor:
    """On a device, kept: a CUDA graph copies nothing to it."""
    return torch.tensor(mirror, device=device)


def mirrored_maps(maps: Tensor, mirror: tuple[int, ...], columns: float | None = None) -> Tensor:
    """Heatmaps (B, K, h, w) of mirrored crops as those of the crops.

    Args:
        maps: Of the mirrored crops.
        mirror: For each joint, which one it is in the mirror.
        columns: The width of the crops in cells. Where it is no whole number, cells of the mirror lie between those of
            the maps, and what lies there is read linearly.
    """
    found = maps.index_select(1, _index(mirror, maps.device)).flip(-1)
    beyond = (columns or 0.0) - math.floor(columns or 0.0)
    if not beyond:
        return found
    before = torch.cat([found[..., :1], found[..., :-1]], -1)
    return (1 - beyond) * found + beyond * before


def mirrored_points(points: Tensor, mirror: tuple[int, ...], width: int) -> Tensor:
    """Points (B, K, 2), crop px, of joints in crops of this width as those of the joints in the mirrored crops."""
    swapped = points.index_select(1, _index(mirror, points.device))
    return torch.stack([width - 1 - swapped[..., 0], swapped[..., 1]], -1)
