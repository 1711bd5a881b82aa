"""The residual unit of the stacked hourglass, plain and with a pyramid (Eq. 1 and 2)."""

from __future__ import annotations

from mmpose.registry import MODELS
from torch import Tensor, nn

from .pyramid import PyramidBranch, bn_relu

BASE_WIDTH = 9
"""Output channels by channels of a pyramid level, where no width is given: 28 for 256."""


@MODELS.register_module()
class ResidualUnit(nn.Module):
    """x + conv1x1(BN-ReLU(f0)), with f0 = BN-ReLU-conv1x1-BN-ReLU-conv3x3 to half of the output's channels.

    Args:
        in_channels: Of the input.
        out_channels: Of the output; at least 2.
        preact: Begin f0 with batch normalisation and ReLU; without, the input must be activated.
        conv_skip: BN-ReLU-conv1x1 in place of the identity (Section 4.2); always where the channels change.
    """

    def __init__(self, in_channels: int, out_channels: int, preact: bool = True, conv_skip: bool = False) -> None:
        super().__init__()
        self.middle = out_channels // 2
        self.skip: nn.Module = nn.Identity()
        if conv_skip or in_channels != out_channels:
            self.skip = nn.Sequential(*bn_relu(in_channels), nn.Conv2d(in_channels, out_channels, 1))
        self.own = nn.Sequential(
            *(bn_relu(in_channels) if preact else ()),
            nn.Conv2d(in_channels, self.middle, 1),
            *bn_relu(self.middle),
            nn.Conv2d(self.middle, self.middle, 3, padding=1),
        )
        self.expand = nn.Sequential(*bn_relu(self.middle), nn.Conv2d(self.middle, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return self.skip(x) + self.expand(self.own(x))


@MODELS.register_module()
class PyramidResidualModule(ResidualUnit):
    """x + conv1x1(BN-ReLU(f0 + g(sum_c f_c))): a residual unit with a pyramid beside its own path.

    Args:
        in_channels: Of the input.
        out_channels: Of the output.
        variant: As in :class:`~.pyramid.PyramidBranch`, as are ``levels`` and ``octaves``.
        levels: C of Eq. 3.
        octaves: M of Eq. 3.
        width: Channels of each level; None for ``out_channels // BASE_WIDTH``.
        preact: Begin both paths with batch normalisation and ReLU.
        conv_skip: As in :class:`ResidualUnit`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        variant: str = "B*",
        levels: int = 4,
        octaves: float = 1.0,
        width: int | None = None,
        preact: bool = True,
        conv_skip: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, preact, conv_skip)
        width = max(1, out_channels // BASE_WIDTH) if width is None else width
        self.pyramid = PyramidBranch(in_channels, self.middle, width, levels, octaves, variant, preact=preact)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return self.skip(x) + self.expand(self.own(x) + self.pyramid(x))
