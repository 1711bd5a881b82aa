"""The reference crop of a person: what an attack's sizes are said in where an estimator sees whole photos.

PROTOCOL section 9: the crop that a top-down model of that input size cuts out of the annotated box, with MMPose's
padding of 1.25. Such a model under scope image sees crops of the same attacked photos.
"""

from __future__ import annotations

import re

from ..attacks import MPII, Skeleton
from ..system.compat import setup_mmpose
from ..system.errors import OccbenchError
from .crops import CropPipeline

SIZE = (192, 256)
"""Width and height, crop px."""

MPII_SIZE = (256, 256)


def reference_size(skeleton: Skeleton) -> tuple[int, int]:
    """Width and height of the reference crop of a data set, px."""
    return MPII_SIZE if skeleton.keypoints == MPII.keypoints else SIZE


def parse_size(text: str) -> tuple[int, int]:
    """A size from the command line, WxH.

    Raises:
        OccbenchError: It is none.
    """
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text.strip().lower())
    if found is None or not all(16 <= int(side) <= 4096 for side in found.groups()):
        raise OccbenchError(f"--crop must be width x height in px (16 to 4096 each), as 192x256, but is {text!r}")
    return int(found[1]), int(found[2])


def reference_crops(size: tuple[int, int]) -> CropPipeline:
    """Cuts reference crops; ``size``: their width and height, px."""
    setup_mmpose()
    from mmengine.config import Config

    steps = [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale"},
        {"type": "TopdownAffine", "input_size": size},
        {"type": "PackPoseInputs"},
    ]
    dataset = {"type": "CocoDataset", "pipeline": steps}  # its keypoints play no part: nothing is mirrored
    return CropPipeline(Config({"test_dataloader": {"dataset": dataset}}))
