"""The fine network (Section 4.1): Siamese over the joints, a bank for each map that windows are cut out of."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError, unknown_name
from .banks import initialise, normaliser

SOURCES = ("features", "image")
OUTPUT_STD = 0.001
"""Of the weights of the last 1x1: heatmaps are zero nearly everywhere, and so they begin."""


@MODELS.register_module()
class FineNetwork(BaseModule):
    """5x5 convolutions in each bank, upscaled to the windows' px, added, 1x1; weights shared by all joints.

    The last 1x1 is each joint's own.

    Args:
        keypoints: K.
        source: What windows are cut out of: ``features`` of the coarse network's first two stages (six banks of a
            pyramid of three levels); or the ``image`` at every level, as the standard cascade does (three banks).
        maps: Of the convolutions, and of the features.
        hidden: Of the first 1x1.
        depth: Convolutions in a bank. The paper's standard cascade has a further one "such that the number of
            parameters is the same": of the image, 5 give 4.98 million for 14 joints, of the features 2 give 4.95.
        levels: Of the pyramid.
        norm: As of :class:`~.banks.MultiResolutionBanks`.

    Raises:
        OccbenchError: An argument is not what it can be.
    """

    def __init__(
        self,
        keypoints: int,
        source: str = "features",
        maps: int = 128,
        hidden: int = 256,
        depth: int = 2,
        levels: int = 3,
        norm: str = "none",
    ) -> None:
        super().__init__()
        if source not in SOURCES:
            raise unknown_name("source", source, SOURCES)
        if min(keypoints, maps, hidden, depth, levels) < 1:
            raise OccbenchError(
                "a fine network has keypoints, maps, hidden, depth and levels of at least 1, but got "
                f"{keypoints}, {maps}, {hidden}, {depth}, {levels}"
            )
        self.source = source
        self.strides: tuple[int, ...] = tuple(
            2**level * layer for level in range(levels) for layer in ((1, 2) if source == "features" else (1,))
        )
        """Of the maps that windows are cut out of, in their order: crop px for a cell."""
        first = maps if source == "features" else 3
        self.banks = nn.ModuleList(
            nn.Sequential(*(layer for i in range(depth) for layer in _stage(first if i == 0 else maps, maps, norm)))
            for _ in self.strides
        )
        self.joined = nn.Conv2d(maps, hidden, 1)
        self.joined_norm = normaliser(norm, hidden)
        self.own = nn.Conv2d(keypoints * hidden, keypoints, 1, groups=keypoints)
        self.keypoints = keypoints

    def forward(self, windows: Sequence[Tensor]) -> Tensor:
        """Heatmaps of the windows, shape (B, K, n, n).

        Args:
            windows: Of each map, shape (B K, C, n / s, n / s).
        """
        found = [bank(window) for bank, window in zip(self.banks, windows, strict=True)]
        total = found[0]
        for maps, stride in zip(found[1:], self.strides[1:], strict=True):
            total = total + F.interpolate(maps, scale_factor=float(stride), mode="bilinear", align_corners=False)
        hidden = self.joined_norm(self.joined(total)).relu()
        by_crop = hidden.unflatten(0, (-1, self.keypoints)).flatten(1, 2)
        return self.own(by_crop)

    def init_weights(self) -> None:
        """He et al.'s weights; the last layer begins near nothing."""
        initialise(self)
        nn.init.normal_(self.own.weight, std=OUTPUT_STD)
        self._is_init = True  # as MMEngine marks it


def _stage(inputs: int, outputs: int, norm: str) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 5, padding=2), normaliser(norm, outputs), nn.ReLU()
