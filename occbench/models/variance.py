"""The variance of responses through a stacked hourglass, as Fig. 6 shows it."""

from __future__ import annotations

import torch
from torch import Tensor

from .hourglass import StackedHourglass


def response_variances(model: StackedHourglass, images: Tensor) -> list[list[float]]:
    """The variance of what each level of each hourglass gives, with batch normalisation as in training.

    Args:
        model: The network; left in training mode.
        images: Shape (B, 3, H, W).

    Returns:
        For each stack the variances from the lowest level's sum to the highest's, which is the stack's response.
    """
    found: list[list[float]] = [[] for _ in model.hourglasses]
    hooks = [
        part.register_forward_hook(lambda _, __, output, stack=stack: found[stack].append(float(output.var())))
        for stack, hourglass in enumerate(model.hourglasses)
        for part in hourglass.modules()
        if type(part) is type(hourglass)
    ]
    model.train()
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found
