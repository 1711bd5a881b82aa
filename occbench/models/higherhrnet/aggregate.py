"""From the outputs of a network at several levels, scales and mirrored, to one set of heatmaps and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Maps: TypeAlias = list[list[Tensor]]
"""The levels' outputs for a picture, and for its mirror image where that is tested as well (not mirrored back)."""


def levels_of(outputs: Sequence[Tensor], keypoints: int) -> tuple[list[Tensor], Tensor]:
    """The heatmaps of every level, (B, K, H, W), and the tags of the first."""
    heatmaps = [output[:, :keypoints] for output in outputs]
    return heatmaps, outputs[0][:, keypoints:]


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (B, C, H, W) in another height and width: bilinear, corners not aligned."""
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(int(side) for side in size), mode="bilinear", align_corners=False)


def one_scale(outputs: Maps, keypoints: int, mirror: Sequence[int] | None) -> tuple[Tensor, list[Tensor]]:
    """Heatmaps (B, K, H, W), the mean of all levels and of the mirror image, at the last level's size; and tags.

    Args:
        outputs: Of one scale.
        keypoints: K.
        mirror: Which joint each is in the mirror; None without mirror image.

    Returns:
        The heatmaps, and the tags (B, K, H, W) of the picture and of its mirror image.
    """
    size = outputs[0][-1].shape[2:]
    means, tags = [], []
    for number, one in enumerate(outputs):
        heatmaps, tag = levels_of(one, keypoints)
        mean = torch.stack([resized(level, size) for level in heatmaps]).mean(0)
        tag = resized(tag, size)
        if number and mirror is not None:  # back from the mirror: heatmaps and tags change sides, too
            mean, tag = (maps.flip(-1)[:, list(mirror)] for maps in (mean, tag))
        means.append(mean)
        tags.append(tag)
    return torch.stack(means).mean(0), tags


def joined_scales(
    scales: Sequence[Maps], keypoints: int, mirror: Sequence[int] | None, size: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """The mean heatmaps of all scales, and the tags of the first, (B, K, H, W, T).

    Args:
        scales: The outputs of every scale, scale 1 first.
        keypoints: K.
        mirror: As in :func:`one_scale`.
        size: Height and width that every scale is brought to before they are averaged; None for what the first has.
    """
    found = [one_scale(outputs, keypoints, mirror) for outputs in scales]
    size = found[0][0].shape[2:] if size is None else size
    heatmaps = torch.stack([resized(maps, size) for maps, _ in found]).mean(0)
    return heatmaps, torch.stack([resized(tags, size) for tags in found[0][1]], -1)
