"""The loss of Eq. 4 and Eq. 8."""

from __future__ import annotations

from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SquaredErrorSum(nn.Module):
    """The sum of squared distances over examples and labelled joints, in normalised units.

    A sum, not a mean: with the paper's rate (5e-4) that matters.

    Args:
        loss_weight: Factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weight: Tensor | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            output: Shape (..., 2).
            target: The same shape; where the weight is 0 it may be anything.
            target_weight: Shape (...) or (..., 1); 0: not labelled.
        """
        squares = (output - target).square().sum(-1)
        if target_weight is not None:
            weights = target_weight.reshape(squares.shape)
            squares = squares.where(weights > 0, 0) * weights
        return self.loss_weight * squares.sum()
