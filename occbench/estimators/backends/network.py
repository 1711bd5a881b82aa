"""An MMPose estimator as a function of crops: its preprocessing of a whole batch, its head's output as a tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import ImgDataPreprocessor
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.structures import PoseDataSample
from torch import nn

from ...system.errors import OccbenchError

if TYPE_CHECKING:
    from . import Raw


def is_standard(preprocessor: Any) -> bool:
    """Whether it changes channel order, normalises and pads, and does nothing of its own."""
    return type(preprocessor).forward in (ImgDataPreprocessor.forward, PoseDataPreprocessor.forward)


def preprocess(preprocessor: Any, images: torch.Tensor) -> torch.Tensor:
    """What the estimator's ``data_preprocessor`` makes of crops.

    Args:
        preprocessor: Of the estimator.
        images: Shape (B, h, w, 3), uint8, BGR.

    Returns:
        Shape (B, 3, h', w'), float32; the network's input.
    """
    planes = images.permute(0, 3, 1, 2)
    if is_standard(preprocessor):
        # MMEngine's forward takes a batch at once. PoseDataPreprocessor only adds a note to the sample of each crop.
        return ImgDataPreprocessor.forward(preprocessor, {"inputs": planes}, False)["inputs"]
    return preprocessor({"inputs": [*planes], "data_samples": [PoseDataSample() for _ in planes]}, False)["inputs"]


def normalised(preprocessor: Any, images: torch.Tensor) -> torch.Tensor:
    """:func:`preprocess` as a CUDA graph can have it: MMEngine's copies a list of channels to the GPU at each call."""
    if not is_standard(preprocessor):
        return preprocess(preprocessor, images)
    planes = images.permute(0, 3, 1, 2)
    values = (planes.flip(1) if preprocessor._channel_conversion else planes).float()
    if preprocessor._enable_normalize:
        values = (values - preprocessor.mean) / preprocessor.std
    height, width = (-side % preprocessor.pad_size_divisor for side in values.shape[2:])
    return nn.functional.pad(values, (0, width, 0, height), "constant", preprocessor.pad_value)


def as_raw(output: Any) -> Raw:
    """A head's output as a tuple of float32 tensors.

    Raises:
        OccbenchError: It is something else, such as stages of several outputs each.
    """
    parts = tuple(output) if isinstance(output, (tuple, list)) else (output,)
    if not parts or not all(isinstance(part, torch.Tensor) for part in parts):
        raise OccbenchError(
            f"the model's head gives a {type(output).__name__} of {', '.join(type(part).__name__ for part in parts)} "
            "where a tensor or several were expected; only MMPose's own test loop can run it"
        )
    return tuple(part.float() for part in parts)


class Forward(nn.Module):
    """Network inputs -> raw output."""

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, inputs: torch.Tensor) -> Raw:
        """From shape (B, 3, h, w), float32."""
        return as_raw(self.estimator(inputs, None, mode="tensor"))


class FromCrops(Forward):
    """Crops -> raw output: the preprocessing becomes a part of the network."""

    def forward(self, images: torch.Tensor) -> Raw:
        """From shape (B, h, w, 3), uint8, BGR."""
        return super().forward(preprocess(self.estimator.data_preprocessor, images))
