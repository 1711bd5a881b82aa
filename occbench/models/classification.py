"""Pyramids in networks for classification (Section 5.2): Wide ResNet and ResNeXt on 32x32 images."""

from __future__ import annotations

from mmpose.registry import MODELS
from torch import Tensor, nn

from .pyramid import PyramidBranch, bn_relu


class _WideBlock(nn.Module):
    """Two 3x3 convolutions with pre-activation; a pyramid beside them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, levels: int) -> None:
        super().__init__()
        self.changes = in_channels != out_channels
        self.activate = bn_relu(in_channels)
        self.own = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            *bn_relu(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        self.skip = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if self.changes else nn.Identity()
        self.pyramid: nn.Module | None = None
        if levels:
            width = out_channels // levels  # the levels together are as wide as the output
            self.pyramid = PyramidBranch(in_channels, out_channels, width, levels, stride=stride, preact=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.activate(x)
        found = self.own(active) if self.pyramid is None else self.own(active) + self.pyramid(active)
        return found + self.skip(active if self.changes else x)


class _NextBlock(nn.Module):
    """1x1, grouped 3x3, 1x1 with batch normalisation, ReLU behind the sum; a pyramid beside them."""

    def __init__(
        self, in_channels: int, out_channels: int, cardinality: int, width: int, stride: int, levels: int
    ) -> None:
        super().__init__()
        inner = cardinality * width
        self.own = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, bias=False),
            *bn_relu(inner),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=cardinality, bias=False),
            *bn_relu(inner),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.skip = nn.Sequential(projection, nn.BatchNorm2d(out_channels))
        self.pyramid: nn.Module | None = None
        if levels:  # each level is as wide as one of the block's own branches
            self.pyramid = PyramidBranch(in_channels, out_channels, width, levels, stride=stride, preact=False)
        self.activate = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        found = self.own(x) if self.pyramid is None else self.own(x) + self.pyramid(x)
        return self.activate(found + self.skip(x))


class _Classifier(nn.Module):
    """Three stages at full, half and a quarter of the resolution, then the mean and a linear layer."""

    stem: nn.Module
    stages: nn.Module
    classify: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, classes), of images (B, 3, H, W)."""
        return self.classify(self.stages(self.stem(x)).mean((2, 3)))


@MODELS.register_module()
class PyramidWideResNet(_Classifier):
    """Wide ResNet with a pyramid in every block; ``levels=0``: without.

    Args:
        depth: Layers, 6n + 4.
        widen: Factor on 16, 32 and 64 channels.
        levels: Of the pyramids, with resolutions down to a half.
        classes: Outputs.

    Raises:
        ValueError: The depth is not 6n + 4.
    """

    def __init__(self, depth: int = 28, widen: int = 10, levels: int = 4, classes: int = 10) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"a Wide ResNet has 6n + 4 layers, not {depth}")
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        channels = 16
        for stage, out_channels in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range((depth - 4) // 6):
                blocks.append(_WideBlock(channels, out_channels, 2 if stage and not block else 1, levels))
                channels = out_channels
        self.stages = nn.Sequential(*blocks, *bn_relu(channels))
        self.classify = nn.Linear(channels, classes)


@MODELS.register_module()
class PyramidResNeXt(_Classifier):
    """ResNeXt with a pyramid in every block; ``levels=0``: without.

    Args:
        depth: Layers, 9n + 2.
        cardinality: Branches of a block.
        width: Channels of a branch in the first stage.
        levels: Of the pyramids, with resolutions down to a half.
        classes: Outputs.

    Raises:
        ValueError: The depth is not 9n + 2.
    """

    def __init__(
        self, depth: int = 29, cardinality: int = 8, width: int = 64, levels: int = 4, classes: int = 10
    ) -> None:
        super().__init__()
        if depth < 11 or depth % 9 != 2:
            raise ValueError(f"a ResNeXt has 9n + 2 layers, not {depth}")
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), *bn_relu(64))
        blocks: list[nn.Module] = []
        channels = 64
        for stage in range(3):
            for block in range((depth - 2) // 9):
                stride = 2 if stage and not block else 1
                out_channels = 256 * 2**stage
                blocks.append(_NextBlock(channels, out_channels, cardinality, width * 2**stage, stride, levels))
                channels = out_channels
        self.stages = nn.Sequential(*blocks)
        self.classify = nn.Linear(channels, classes)
