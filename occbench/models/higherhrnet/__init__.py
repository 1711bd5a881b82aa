"""HigherHRNet and bottom-up training by associative embedding (Cheng et al., CVPR 2020; Newell et al., NIPS 2017)."""

from .codec import TaggedHeatmaps
from .estimator import HigherHRNet
from .head import HigherHRNetHead
from .loss import TaggedHeatmapLoss
from .transforms import CountingRegions, HigherHRNetResize

__all__ = [
    "CountingRegions",
    "HigherHRNet",
    "HigherHRNetHead",
    "HigherHRNetResize",
    "TaggedHeatmapLoss",
    "TaggedHeatmaps",
]
