"""Target heatmaps, and the squared error of heatmaps in the paper's units (Eq. 1 and 2)."""

from __future__ import annotations

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn


def gaussian_maps(cells: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians of height 1 around places between cells, shape (..., H, W).

    Args:
        cells: Columns and rows, shape (..., 2).
        size: Width and height of the maps.
        sigma: Cells.
    """
    along = [
        torch.exp(-0.5 * ((torch.arange(n, dtype=cells.dtype, device=cells.device) - cells[..., i, None]) / sigma) ** 2)
        for i, n in enumerate(size)
    ]
    return along[1][..., :, None] * along[0][..., None, :]


@MODELS.register_module()
class MapSquaredError(nn.Module):
    """The mean over joints of the sum over px of the squared difference; MMPose's KeypointMSELoss is a mean over px.

    Args:
        loss_weight: Factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weight: Tensor) -> Tensor:
        """The loss, a scalar; 0 where no joint counts.

        Args:
            output: Shape (B, K, H, W).
            target: The same shape; where the weight is 0 it may be anything.
            target_weight: Shape (B, K): 1 for joints that count, else 0.
        """
        counted = target_weight > 0
        squares = (output.to(target.dtype) - target).square().sum((2, 3)).where(counted, 0)
        return self.loss_weight * squares.sum() / counted.sum().clamp(min=1)
