"""The pyramid of a Pyramid Residual Module: g(sum_c f_c) of Eq. 2, in the variants of Fig. 3."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..system.errors import unknown_name
from . import pooling  # by its module, which is how torch.fx finds what it has wrapped

VARIANTS = ("A", "B", "B*", "C", "D")


class PyramidBranch(nn.Module):
    """Filters at several resolutions of the same input, brought back to its resolution and combined.

    The variants (Fig. 3; what the text leaves open is decided in docs/hourglass.md):

    - ``A``: a 1x1 convolution of its own for every level;
    - ``B``: one for all levels, and one set of 3x3 filters for all levels ("weight sharing", Section 3.3);
    - ``B*``: one for all levels, and 3x3 filters for each level; what the paper uses;
    - ``C``: as ``B*``, with concatenation in place of addition;
    - ``D``: as ``B*``, with dilations 2, 3, ... in place of pooling and upsampling.

    Args:
        in_channels: Of the input.
        out_channels: Of the output.
        width: Channels of each level (D).
        levels: Number of levels (C).
        octaves: The lowest resolution is 2 ** -octaves of the input's (M); levels lie evenly between (Eq. 3).
        variant: One of :data:`VARIANTS`.
        stride: Of the output against the input.
        preact: Begin with batch normalisation and ReLU.

    Raises:
        OccbenchError: There is no such variant.
        ValueError: A number is not positive.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        levels: int = 4,
        octaves: float = 1.0,
        variant: str = "B*",
        stride: int = 1,
        preact: bool = True,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise unknown_name("variant", variant, VARIANTS)
        if min(in_channels, out_channels, width, levels, octaves, stride) <= 0:
            raise ValueError(
                f"a pyramid needs positive numbers, not {in_channels} to {out_channels} channels, width {width}, "
                f"{levels} levels over {octaves} octaves, stride {stride}"
            )
        self.ratios = tuple(2.0 ** (-octaves * level / levels) for level in range(1, levels + 1))
        self.dilated = variant == "D"
        self.concatenates = variant == "C"
        self.activate = bn_relu(in_channels) if preact else nn.Identity()
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.Conv2d(in_channels, width, 1, stride), *bn_relu(width))
            for _ in range(levels if variant == "A" else 1)
        )
        dilations = [level + 1 if self.dilated else 1 for level in range(1, levels + 1)]
        self.filters = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
            for dilation in (dilations[:1] if variant == "B" else dilations)
        )
        combined = width * levels if self.concatenates else width
        self.expand = nn.Sequential(*bn_relu(combined), nn.Conv2d(combined, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        x = self.activate(x)
        maps = [reduce_(x) for reduce_ in self.reduce]
        size = maps[0].shape[-2:]
        found = []
        for level, ratio in enumerate(self.ratios):
            y = maps[level % len(maps)]
            convolve = self.filters[level % len(self.filters)]
            if self.dilated:
                found.append(convolve(y))
                continue
            y = convolve(pooling.fractional_max_pool(y, ratio, self.training))
            found.append(F.interpolate(y, size=size, mode="bilinear", align_corners=True))
        return self.expand(torch.cat(found, 1) if self.concatenates else reduce(add, found))


def bn_relu(channels: int) -> nn.Sequential:
    """Batch normalisation and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
