"""SpatialDropout, and the coarse heatmaps behind it (Section 3)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .banks import initialise, normaliser
from .fine import OUTPUT_STD


@MODELS.register_module()
class SpatialDropout(nn.Dropout2d):
    """Drops whole maps: one trial for each map of each sample (Section 3.2).

    torch multiplies the maps that it keeps by 1 / (1 - p) in training; the paper multiplies all by 1 - p in testing.
    The network that is tested is the same but for that factor, which training takes in; both at once would be wrong.
    """


@MODELS.register_module()
class CoarseHeatmaps(BaseModule):
    """SpatialDropout and three 1x1 convolutions: what a fully connected network would say of every patch.

    Args:
        keypoints: K.
        context: Maps that come in.
        hidden: Of the two 1x1 in between.
        dropout: Chance that a map is dropped (the paper does not give it).
        norm: As of :class:`~.banks.MultiResolutionBanks`.
    """

    def __init__(
        self, keypoints: int, context: int = 512, hidden: int = 256, dropout: float = 0.5, norm: str = "none"
    ) -> None:
        super().__init__()
        self.dropout = SpatialDropout(dropout)
        self.first = nn.Conv2d(context, hidden, 1)
        self.first_norm = normaliser(norm, hidden)
        self.second = nn.Conv2d(hidden, hidden, 1)
        self.second_norm = normaliser(norm, hidden)
        self.last = nn.Conv2d(hidden, keypoints, 1)

    def forward(self, total: Tensor) -> Tensor:
        """Heatmaps, shape (B, K, h, w), of the summed banks (B, context, h, w)."""
        x = self.first_norm(self.first(self.dropout(total))).relu()
        x = self.second_norm(self.second(x)).relu()
        return self.last(x)

    def init_weights(self) -> None:
        """He et al.'s weights; the last layer begins near nothing."""
        initialise(self)
        nn.init.normal_(self.last.weight, std=OUTPUT_STD)
        self._is_init = True  # as MMEngine marks it
