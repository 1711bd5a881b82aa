"""The backbone (Section 3.1): one convolutional bank for each level of the pyramid, summed at the coarse resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError, unknown_name
from ..pooling import sizes_are_constants
from .contrast import GaussianPyramid, LocalContrastNorm

Stage = Sequence[int]
"""Side of the kernel, number of maps, and factor of the max-pooling behind it (1: none)."""

NORMS = ("none", "batch")
POOLINGS = (4, 8, 16)


def stages_of(pooling: int, maps: int = 128, context: int = 512) -> tuple[Stage, ...]:
    """The preset of seven stages, those that are not 1x1: 5x5 with pooling, and a last 9x9.

    Args:
        pooling: 4, 8 or 16 in all: the third stage does not pool, or a fourth does.
        maps: Of the 5x5 stages.
        context: Of the 9x9.

    Raises:
        OccbenchError: There is no preset for the pooling.
    """
    if pooling not in POOLINGS:
        raise unknown_name("pooling", str(pooling), [str(p) for p in POOLINGS])
    pools = {4: (2, 2, 1), 8: (2, 2, 2), 16: (2, 2, 2, 2)}[pooling]
    return (*((5, maps, pool) for pool in pools), (9, context, 1))


def normaliser(norm: str, maps: int) -> nn.Module:
    """What stands between a convolution and its ReLU.

    Raises:
        OccbenchError: The name is unknown.
    """
    if norm not in NORMS:
        raise unknown_name("norm", norm, NORMS)
    return nn.BatchNorm2d(maps) if norm == "batch" else nn.Identity()


class Bank(nn.Module):
    """Convolution, ReLU and max-pooling, stage after stage, with "same" padding.

    Args:
        stages: See :data:`Stage`.
        norm: One of :data:`NORMS`.
    """

    def __init__(self, stages: Sequence[Stage], norm: str) -> None:
        super().__init__()
        ins = [3, *(maps for _, maps, _ in stages[:-1])]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, maps, kernel, padding=kernel // 2)
            for inputs, (kernel, maps, _) in zip(ins, stages, strict=True)
        )
        self.norms = nn.ModuleList(normaliser(norm, maps) for _, maps, _ in stages)
        self.pools = [pool for _, _, pool in stages]

    def forward(self, x: Tensor) -> list[Tensor]:
        """What the first and the second stage give before they pool, and what the last one gives."""
        kept = []
        for conv, norm, pool in zip(self.convs, self.norms, self.pools, strict=True):
            x = norm(conv(x)).relu()
            kept.append(x)
            x = F.max_pool2d(x, pool) if pool > 1 else x
        return [kept[0], kept[1], x]


@MODELS.register_module()
class MultiResolutionBanks(BaseModule):
    """LCN, a bank for each level of a Gaussian pyramid, and the sum of the banks ("overlapping contexts").

    Args:
        pooling: Preset of the stages; see :func:`stages_of`.
        maps: Of the preset's 5x5 stages.
        context: Of the preset's 9x9 stage.
        stages: In place of the preset; the first two must pool by 2, since the fine network reads them.
        banks: How many levels.
        shared: Whether all banks have the same weights (the paper's "same filter" is that of the LCN alone).
        norm: ``none``; or ``batch``, which is not the paper's: batch normalisation before every ReLU, for short
            trainings.
        contrast: Arguments of :class:`~.contrast.LocalContrastNorm`.

    Raises:
        OccbenchError: The stages are not what they can be.
    """

    def __init__(
        self,
        pooling: int = 8,
        maps: int = 128,
        context: int = 512,
        stages: Sequence[Stage] | None = None,
        banks: int = 3,
        shared: bool = False,
        norm: str = "none",
        contrast: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        chosen = stages_of(pooling, maps, context) if stages is None else stages
        if len(chosen) < 3 or any(len(stage) != 3 or min(stage) < 1 or stage[0] % 2 == 0 for stage in chosen):
            raise OccbenchError(
                "a bank has at least three stages (kernel, maps, pooling) of odd kernels, but got "
                f"stages={[tuple(stage) for stage in chosen]}"
            )
        if [stage[2] for stage in chosen[:2]] != [2, 2] or banks < 1:
            raise OccbenchError(
                "the first two stages of a bank pool by 2, since the fine network reads them at full and half "
                f"resolution, and there is a bank at least, but got stages={[tuple(stage) for stage in chosen]}, "
                f"banks={banks}"
            )
        self.pyramid = GaussianPyramid(banks)
        self.contrast = LocalContrastNorm(**(contrast or {}))
        made = [Bank(chosen, norm) for _ in range(1 if shared else banks)]
        self.banks = nn.ModuleList(made)
        self.norm = norm

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The sum of the banks, and what the fine network may read.

        Args:
            images: Shape (B, 3, H, W), 0 to 1.

        Returns:
            The sum, shape (B, context, H / pooling, W / pooling); then of each bank what its first and second stage
            give before they pool, shapes (B, maps, H / s, W / s) with s = 1, 2 for the first bank, 2, 4 for the second
            and 4, 8 for the third; then the normalised images that the banks read.
        """
        levels = [self.contrast(level) for level in self.pyramid(images)]
        outputs = [self.banks[min(i, len(self.banks) - 1)](level) for i, level in enumerate(levels)]
        total = outputs[0][2]
        for scale, (_, _, last) in enumerate(outputs[1:], 1):
            total = total + enlarged(last, 2**scale, total)
        return (total, *(map_ for first, second, _ in outputs for map_ in (first, second)), *levels)

    def init_weights(self) -> None:
        """He et al.'s weights and biases 0; the paper gives none."""
        initialise(self)
        self._is_init = True  # as MMEngine marks it


def enlarged(maps: Tensor, factor: int, like: Tensor) -> Tensor:
    """Maps at ``factor`` times their resolution, bilinear, their last rows and columns continued to the size of others.

    By the factor itself, not by the ratio of the sizes: 7 rows of 32 px are not 240 px, and a cell must stay where it
    is.

    Args:
        maps: Shape (B, C, h, w).
        factor: A whole number.
        like: Has the size that is wanted, shape (B, ..., H, W).
    """
    large = F.interpolate(maps, scale_factor=float(factor), mode="bilinear", align_corners=False)
    with sizes_are_constants():
        missing = [int(like.shape[axis]) - int(large.shape[axis]) for axis in (-1, -2)]
    return F.pad(large, (0, missing[0], 0, missing[1]), mode="replicate") if any(missing) else large


def initialise(part: nn.Module) -> None:
    """He et al.'s weights for every convolution in front of a ReLU, biases 0."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
