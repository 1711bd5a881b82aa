"""The loss of Eq. 5."""

from __future__ import annotations

from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class HalfSquaredError(nn.Module):
    """Half the sum of squared errors over samples, keypoints and pixels (Eq. 5); one for each stack, added by the head.

    A sum, not a mean: gradients grow with the batch, which RMSProp's and Adam's steps do not.

    Args:
        use_target_weight: Leave out keypoints of weight 0, which are not labelled.
        loss_weight: Factor.
    """

    def __init__(self, use_target_weight: bool = True, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weights: Tensor | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            output: Heatmaps, shape (B, K, H, W).
            target: What they should be, same shape.
            target_weights: Shape (B, K).
        """
        squares = (output - target).square().sum((2, 3))
        if self.use_target_weight and target_weights is not None:
            squares = squares * target_weights
        return 0.5 * self.loss_weight * squares.sum()
