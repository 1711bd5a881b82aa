"""The thesis' training augmentations as MMPose transforms, on the attacks' regions and fills (PROTOCOL section 6).

In an MMPose config: ``custom_imports = dict(imports=['occbench.augmentations'])`` and, between ``TopdownAffine`` (or
``BottomupRandomAffine``) and ``GenerateTarget``, for instance ``dict(type='PartMix', p=0.5)``.
"""

from ..system.compat import setup_mmpose

setup_mmpose()  # a config that names this package may be the first to need MMPose

from .described import Describe  # noqa: E402
from .multi import MultiKeypointOcclusion, TargetedCutoutBlur  # noqa: E402
from .occlusion import Occlusion  # noqa: E402
from .partmix import PartMix  # noqa: E402
from .random_cutout import RandomCutout  # noqa: E402
from .seeding import EpochSampler, SeedSample  # noqa: E402
from .targeted import TargetedBlur, TargetedCutout  # noqa: E402
from .uniform import UniformBBoxTransform  # noqa: E402

__all__ = [
    "Describe",
    "EpochSampler",
    "MultiKeypointOcclusion",
    "Occlusion",
    "PartMix",
    "RandomCutout",
    "SeedSample",
    "TargetedBlur",
    "TargetedCutout",
    "TargetedCutoutBlur",
    "UniformBBoxTransform",
]
