"""Coarse-to-fine heatmaps (Tompson et al., CVPR 2015): banks, SpatialDropout, windows, the fine network, the tree."""

from .banks import MultiResolutionBanks, stages_of
from .coarse import CoarseHeatmaps, SpatialDropout
from .codec import JointPlaces
from .contrast import GaussianPyramid, LocalContrastNorm
from .estimator import CoarseToFineEstimator
from .fine import FineNetwork
from .head import PHASES, CoarseToFineHead
from .maps import MapSquaredError, gaussian_maps
from .tree import PersonTree, marginals, most_likely
from .windows import CropWindows

__all__ = [
    "PHASES",
    "CoarseHeatmaps",
    "CoarseToFineEstimator",
    "CoarseToFineHead",
    "CropWindows",
    "FineNetwork",
    "GaussianPyramid",
    "JointPlaces",
    "LocalContrastNorm",
    "MapSquaredError",
    "MultiResolutionBanks",
    "PersonTree",
    "SpatialDropout",
    "gaussian_maps",
    "marginals",
    "most_likely",
    "stages_of",
]
