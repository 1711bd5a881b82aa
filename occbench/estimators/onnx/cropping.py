"""What an ONNX file sees of a photo, and whose keypoints it knows: MMPose's transforms, set up by a specification."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ...attacks import Skeleton
from ...system.compat import setup_mmpose
from ...system.errors import OccbenchError
from ..crops import CropPipeline
from ..metainfo import written
from .specification import Specification


def pipeline_of(specification: Specification) -> CropPipeline:
    """MMPose's transforms that cut what the network wants to see."""
    setup_mmpose()
    from mmengine.config import Config

    size = tuple(specification.size or ())
    affine = {"type": "TopdownAffine", "input_size": size, "use_udp": specification.udp}
    if specification.aspect == "stretch":
        affine = {"type": "StretchedAffine", "input_size": size}
    padding = {"type": "GetBBoxCenterScale", "padding": specification.padding}
    steps = [{"type": "LoadImage"}, padding, affine, {"type": "PackPoseInputs"}]
    dataset = {**dataset_of(specification), "pipeline": steps}
    return CropPipeline(Config({"test_dataloader": {"dataset": dataset}}))


def dataset_of(specification: Specification) -> dict[str, Any]:
    """A data set of the specification's keypoints, as a config of MMPose has it."""
    names, pairs = specification.keypoints, specification.flip_pairs
    if isinstance(names, str):
        return {"type": {"coco": "CocoDataset", "mpii": "MpiiDataset"}[names]}
    if pairs is None:
        lefts = [name for name in names if name.startswith("left_")]
        pairs = [[left, right] for left in lefts if (right := "right_" + left.removeprefix("left_")) in names]
    sides = tuple((left, right) for left, right in pairs)
    try:
        skeleton = Skeleton("specification", tuple(names), MappingProxyType({}), sides, (0.05,) * len(names))
    except ValueError as error:
        raise OccbenchError(f"the specification's keypoints: {error}") from error
    return {"type": "CocoDataset", "metainfo": written(skeleton)}
