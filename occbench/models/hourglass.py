"""The stacked hourglass, plain or with Pyramid Residual Modules, as an MMPose backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from mmpose.models.backbones.base_backbone import BaseBackbone
from mmpose.registry import MODELS
from torch import Tensor, nn

from ..system.errors import OccbenchError, unknown_name
from .branches import initialise
from .pooling import sizes_are_constants
from .pyramid import bn_relu
from .residual import PyramidResidualModule, ResidualUnit

STEM_STRIDE = 4


@dataclass(frozen=True)
class Placement:
    """Where Pyramid Residual Modules stand; plain residual units elsewhere.

    Levels count from the bottom: 1 has the lowest resolution of an hourglass, its depth the highest. The lower branch
    of a level works at half of its resolution.

    Attributes:
        upper: In upper branches from this level on.
        lower: In lower branches from this level on.
        stem: In the three modules before the first hourglass.
    """

    upper: int
    lower: int
    stem: bool


_NEVER = 1 << 30
PLACEMENTS = {
    "none": Placement(_NEVER, _NEVER, False),
    "paper": Placement(1, 2, False),  # everywhere but at the lowest resolution: the paper's 26.9 million parameters
    "code": Placement(2, 3, True),  # as the authors published their code
}


class _Hourglass(nn.Module):
    """One level of an hourglass, and all below it."""

    def __init__(self, level: int, channels: int, prm: Placement, control: bool, pyramid: dict[str, Any]) -> None:
        super().__init__()
        lower = pyramid if level >= prm.lower else None
        self.upper = _module(channels, channels, pyramid if level >= prm.upper else None)
        self.down = _module(channels, channels, lower)
        self.inner: nn.Module = (
            _Hourglass(level - 1, channels, prm, control, pyramid) if level > 1 else _module(channels, channels, lower)
        )
        self.up = _module(channels, channels, lower, conv_skip=control)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        return self.upper(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")


def _module(in_channels: int, out_channels: int, pyramid: dict[str, Any] | None, **options: Any) -> ResidualUnit:
    if pyramid is None:
        return ResidualUnit(in_channels, out_channels, **options)
    return PyramidResidualModule(in_channels, out_channels, **pyramid, **options)


@MODELS.register_module()
class StackedHourglass(BaseBackbone):
    """Stacked hourglass that gives the heatmaps of every stack, for MMPose's CPMHead without layers of its own.

    Heatmaps are fed back into the next stack, so they belong to the backbone; the head
    (``type='CPMHead', deconv_out_channels=None, final_layer=None``) takes the losses and decodes the last stack.

    Args:
        keypoints: Heatmaps of each stack (K).
        stacks: Number of hourglasses.
        depth: Number of times that an hourglass halves the resolution.
        channels: Features.
        placement: Where Pyramid Residual Modules stand: a name of :data:`PLACEMENTS`, or the arguments of one.
        variance_control: BN-ReLU-conv1x1 as the skip of the last module of each lower branch, so that where two
            residual outputs are added only one carries an identity (Section 4.2, Fig. 6b).
        pyramid: Arguments of :class:`~.residual.PyramidResidualModule`: ``variant``, ``levels``, ``octaves``, and
            ``width``, which the stem's narrower modules leave out.
        init: How weights begin: a scheme of :func:`~.branches.initialise`.
        heatmap_std: Standard deviation with which the weights that give the heatmaps begin, in place of ``init``'s; a
            small one (MMPose's heads have 0.001) begins near the empty heatmaps that most pixels want.
        init_cfg: MMEngine's; in place of ``init`` and ``heatmap_std`` where given.

    Raises:
        OccbenchError: There is no such placement; or, from forward, the input's size is no multiple.
    """

    def __init__(
        self,
        keypoints: int,
        stacks: int = 8,
        depth: int = 4,
        channels: int = 256,
        placement: str | dict[str, Any] = "none",
        variance_control: bool = False,
        pyramid: dict[str, Any] | None = None,
        init: str = "branches",
        heatmap_std: float | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        if isinstance(placement, str) and placement not in PLACEMENTS:
            raise unknown_name("placement", placement, PLACEMENTS)
        prm = PLACEMENTS[placement] if isinstance(placement, str) else Placement(**placement)
        self.init, self.heatmap_std, options = init, heatmap_std, dict(pyramid or {})
        self.multiple = STEM_STRIDE * 2**depth
        first, second = max(2, channels // 4), max(2, channels // 2)
        in_stem = {name: value for name, value in options.items() if name != "width"} if prm.stem else None
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 7, 2, 3),
            *bn_relu(first),
            _module(first, second, in_stem, preact=False),
            nn.MaxPool2d(2),
            _module(second, second, in_stem),
            _module(second, channels, in_stem),
        )
        self.hourglasses = nn.ModuleList(
            _Hourglass(depth, channels, prm, variance_control, options) for _ in range(stacks)
        )
        self.features = nn.ModuleList(
            nn.Sequential(*bn_relu(channels), nn.Conv2d(channels, channels, 1), *bn_relu(channels))
            for _ in range(stacks)
        )
        self.heatmaps = nn.ModuleList(nn.Conv2d(channels, keypoints, 1) for _ in range(stacks))
        self.remap_features = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.remap_heatmaps = nn.ModuleList(nn.Conv2d(keypoints, channels, 1) for _ in range(stacks - 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Heatmaps of each stack, shape (B, K, H / 4, W / 4), of images (B, 3, H, W), normalised."""
        x = self.stem(_checked(x, self.multiple))
        found = []
        for stack, hourglass in enumerate(self.hourglasses):
            features = self.features[stack](hourglass(x))
            heatmaps = self.heatmaps[stack](features)
            found.append(_single(heatmaps))
            if stack < len(self.remap_features):
                x = x + self.remap_features[stack](features) + self.remap_heatmaps[stack](heatmaps)
        return tuple(found)

    def init_weights(self) -> None:
        """Set the weights by ``init`` and ``heatmap_std``, or by ``init_cfg`` where that is given."""
        if self.init_cfg:
            super().init_weights()
            return
        initialise(self, self.init)
        if self.heatmap_std is not None:
            for layer in self.heatmaps:
                nn.init.normal_(layer.weight, std=self.heatmap_std)
        self._is_init = True  # as MMEngine marks it


@torch.fx.wrap
def _checked(x: Tensor, multiple: int) -> Tensor:
    """The input, whose size must be one that is halved without a rest all the way down.

    Raises:
        OccbenchError: It is not.
    """
    with sizes_are_constants():
        height, width = (int(side) for side in x.shape[-2:])
    if height % multiple or width % multiple:
        raise OccbenchError(
            f"a stacked hourglass of this depth needs inputs whose sides are multiples of {multiple} px, but got "
            f"{width}x{height} (width x height); set the codec's input_size accordingly, for instance to (192, 256)"
        )
    return x


@torch.fx.wrap
def _single(heatmaps: Tensor) -> Tensor:
    """In single precision at least: sums of squares overflow in half, and NumPy has no bfloat16."""
    return heatmaps.float() if heatmaps.dtype in (torch.float16, torch.bfloat16) else heatmaps
