"""Parameters and operations of a network, counted without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Complexity:
    """What a network costs.

    Attributes:
        parameters: Number of trainable values.
        flops: Multiplications and additions, counted one by one (a multiply-add is two), of convolutions, linear layers
            and matrix products for one image, as torch's ``FlopCounterMode`` counts them.
    """

    parameters: int
    flops: int

    @property
    def gflops(self) -> float:
        """Thousand million multiplications and additions."""
        return self.flops / 1e9


def measure_complexity(model: nn.Module, input_size: tuple[int, int]) -> Complexity:
    """Count a network's parameters and operations.

    Args:
        model: Moved to torch's ``meta`` device by this: its weights are lost.
        input_size: Width and height, px.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model.to("meta")
    model.eval()  # MMPose's backbones return nothing here
    width, height = input_size
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, height, width, device="meta"))
    return Complexity(sum(p.numel() for p in model.parameters()), counter.get_total_flops())
