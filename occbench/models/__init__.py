"""Networks that MMPose lacks: hourglasses with Pyramid Residual Modules, DeepPose's cascade, coarse-to-fine heatmaps.

In an MMPose config: ``custom_imports = dict(imports=['occbench.models'])``, then ``StackedHourglass`` as backbone and
``HalfSquaredError`` as loss. Paper: "Learning Feature Pyramids for Human Pose Estimation" (Yang et al., ICCV 2017).
"""

from ..system.compat import setup_mmpose

setup_mmpose()  # a config that names this package may be the first to need MMPose

from .branches import Branches, count_branches, initialise  # noqa: E402
from .classification import PyramidResNeXt, PyramidWideResNet  # noqa: E402
from .coarse_to_fine import (  # noqa: E402
    CoarseToFineEstimator,
    CoarseToFineHead,
    CropWindows,
    FineNetwork,
    JointPlaces,
    LocalContrastNorm,
    MapSquaredError,
    MultiResolutionBanks,
    PersonTree,
    SpatialDropout,
)
from .deeppose import CascadeHead, CentredLabel, DeepPoseCascade, DeepPoseNetwork, SquaredErrorSum  # noqa: E402
from .hourglass import PLACEMENTS, Placement, StackedHourglass  # noqa: E402
from .loss import HalfSquaredError  # noqa: E402
from .pooling import fractional_max_pool  # noqa: E402
from .pyramid import VARIANTS, PyramidBranch  # noqa: E402
from .residual import PyramidResidualModule, ResidualUnit  # noqa: E402

__all__ = [
    "PLACEMENTS",
    "VARIANTS",
    "Branches",
    "CascadeHead",
    "CentredLabel",
    "CoarseToFineEstimator",
    "CoarseToFineHead",
    "CropWindows",
    "DeepPoseCascade",
    "DeepPoseNetwork",
    "FineNetwork",
    "HalfSquaredError",
    "JointPlaces",
    "LocalContrastNorm",
    "MapSquaredError",
    "MultiResolutionBanks",
    "PersonTree",
    "Placement",
    "PyramidBranch",
    "PyramidResNeXt",
    "PyramidResidualModule",
    "PyramidWideResNet",
    "ResidualUnit",
    "SpatialDropout",
    "SquaredErrorSum",
    "StackedHourglass",
    "count_branches",
    "fractional_max_pool",
    "initialise",
]
