"""The losses of heatmaps and tags: means over the batch, so that neither grows with it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class TaggedHeatmapLoss(nn.Module):
    """Squared error of every level, and what makes the tags of a person alike and those of two persons different.

    MMPose 1.3's AssociativeEmbeddingLoss sums over the batch, so that the tags weigh as many times more as there are
    photos in it, and counts each person's distance to itself, which adds a constant.

    Args:
        heatmap_weight: Factor of every level's heatmap loss.
        push_weight: Factor of the loss that drives persons' tags apart.
        pull_weight: Factor of the loss that draws a person's tags together.
    """

    def __init__(self, heatmap_weight: float = 1.0, push_weight: float = 1e-3, pull_weight: float = 1e-3) -> None:
        super().__init__()
        self.heatmap_weight = heatmap_weight
        self.push_weight = push_weight
        self.pull_weight = pull_weight

    def forward(
        self,
        heatmaps: Sequence[Tensor],
        tags: Tensor,
        targets: Sequence[Tensor],
        masks: Sequence[Tensor],
        indices: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """The losses by name, scalars.

        Args:
            heatmaps: Of every level, shape (B, K, H, W).
            tags: Shape (B, K, H, W), of the first level.
            targets: As ``heatmaps``.
            masks: Of every level, shape (B, 1, H, W); 0: does not count.
            indices: Of every photo, shape (N, K, 2): see :func:`~.targets.tag_indices`.
        """
        losses = {
            f"loss_heatmap_{level}": self.heatmap_weight * heatmap_loss(*one).mean()
            for level, one in enumerate(zip(heatmaps, targets, masks, strict=True))
        }
        push, pull = zip(*(tag_losses(*one) for one in zip(tags, indices, strict=True)), strict=True)
        losses["loss_push"] = self.push_weight * torch.stack(push).mean()
        losses["loss_pull"] = self.pull_weight * torch.stack(pull).mean()
        return losses


def heatmap_loss(heatmaps: Tensor, targets: Tensor, masks: Tensor) -> Tensor:
    """The mean squared error of each photo, shape (B,), what the mask leaves out counting as none.

    Args:
        heatmaps: Shape (B, K, H, W).
        targets: The same.
        masks: Shape (B, 1, H, W).
    """
    return ((heatmaps - targets).square() * masks.to(heatmaps.dtype)).mean((1, 2, 3))


def tag_losses(tags: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Push and pull of one photo.

    Push is half the sum over pairs of persons of exp(-(difference of their mean tags)^2) by N (N - 1), 0 for fewer than
    two; pull the mean over persons of the mean squared deviation of their tags from their mean.

    Args:
        tags: Shape (K, H, W).
        indices: Shape (N, K, 2): where a person's joints are in the flattened tags, and whether they are there.
    """
    there = indices[..., 1] > 0
    there, index = there[there.any(1)], indices[..., 0][there.any(1)]
    n = len(there)
    if n == 0:
        nothing = tags.sum() * 0
        return nothing, nothing
    read, counts = tags.flatten()[index], there.sum(1)
    mean = torch.where(there, read, 0).sum(1) / counts
    pull = (torch.where(there, (read - mean[:, None]).square(), 0).sum(1) / counts).mean()
    if n == 1:
        return tags.sum() * 0, pull
    alike = torch.exp(-(mean[:, None] - mean[None]).square())
    return 0.5 * (alike.sum() - n) / (n * (n - 1)), pull
