"""The outputs of a network that sees one person's crop, as keypoints and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ...system.errors import OccbenchError
from ..batch_decoder import Raw
from ..decoding import decoder_of
from .guess import numbers_of_a_keypoint
from .specification import Specification

Poses = tuple[np.ndarray, np.ndarray]
"""Keypoints, shape (B, K, 2), float32, crop px, and their scores, shape (B, K), float32."""

Outputs = Sequence[np.ndarray]

Read = Callable[[Outputs, Outputs | None], Poses]
"""From outputs, and those for the mirrored crops (None without flip test), to poses."""


def reader(specification: Specification, flip_indices: Sequence[int], shapes: Sequence[Sequence[int]]) -> Read:
    """What reads the outputs of a network.

    Args:
        specification: Complete.
        flip_indices: For each keypoint, which one it is in the mirror.
        shapes: Of the outputs that are read, for one crop, without the axis of the batch.

    Raises:
        OccbenchError: The sizes of the outputs and of the crop do not go together.
    """
    if specification.output == "coordinates":
        each = numbers_of_a_keypoint(specification, shapes[0])
        return lambda outputs, mirrored: _coordinates(outputs, mirrored, specification, flip_indices, each)
    maps = specification.output == "heatmaps"
    codec = _heatmap_codec(specification, shapes[0]) if maps else _simcc_codec(specification, shapes[0])
    options = {"flip_test": specification.flip, "shift_heatmap": maps and specification.shift}
    decoder = decoder_of(codec, options, flip_indices)
    if decoder is None:
        raise OccbenchError(f"the specification's {specification.output} cannot be read: look at refine, blur, sigma")

    def read(outputs: Outputs, mirrored: Outputs | None) -> Poses:
        return decoder(_raw(outputs, specification), None if mirrored is None else _raw(mirrored, specification))

    return read


def _raw(outputs: Outputs, specification: Specification) -> Raw:
    """The channels that the data has, in MMPose's layout."""
    tensors = [torch.from_numpy(np.asarray(output, dtype=np.float32)) for output in outputs]
    if specification.maps == "nhwc":
        tensors = [tensor.permute(0, 3, 1, 2) for tensor in tensors]
    if specification.keep is not None:
        tensors = [tensor[:, specification.keep] for tensor in tensors]
    return tuple(tensors)


def _heatmap_codec(specification: Specification, shape: Sequence[int]) -> Any:
    from mmpose.codecs import MSRAHeatmap, UDPHeatmap

    height, width = shape[1:] if specification.maps == "nchw" else shape[:2]
    sizes = {"input_size": tuple(specification.size or ()), "heatmap_size": (width, height)}
    blur = {"sigma": 2, "blur_kernel_size": specification.blur}
    if specification.udp and specification.refine is None:
        return UDPHeatmap(**sizes, **blur)
    return MSRAHeatmap(**sizes, **blur, unbiased=specification.refine == "dark")


def _simcc_codec(specification: Specification, shape: Sequence[int]) -> Any:
    from mmpose.codecs import SimCCLabel

    width, height = specification.size or (0, 0)
    return SimCCLabel(
        (width, height),
        sigma=tuple(specification.sigma),
        simcc_split_ratio=shape[1] / width,
        normalize=False,
        use_dark=specification.refine == "dark",
    )


def _coordinates(
    outputs: Outputs, mirrored: Outputs | None, specification: Specification, flip_indices: Sequence[int], each: int
) -> Poses:
    """Averaged with those of the mirrored crops, in which column x of the crop is column w - 1 - x."""
    points, scores = _points(outputs, specification, each)
    if mirrored is not None:
        others, their_scores = (values[:, list(flip_indices)] for values in _points(mirrored, specification, each))
        others[..., 0] = (specification.size or [0])[0] - 1 - others[..., 0]
        points, scores = (points + others) / 2, (scores + their_scores) / 2
    return points.astype(np.float32), scores.astype(np.float32)


def _points(outputs: Outputs, specification: Specification, each: int) -> Poses:
    """Crop px and scores, float64; scores are 1 where the network gives none. A keypoint has ``each`` numbers."""
    values = outputs[0].reshape(len(outputs[0]), -1, each).astype(np.float64)
    scores = values[..., 2] if each == 3 else np.ones(values.shape[:2])
    if len(outputs) == 2:
        scores = outputs[1].reshape(scores.shape).astype(np.float64)
    points = values[..., :2] if specification.order == "xy" else values[..., 1::-1]
    if specification.unit == "share":
        points = points * np.array(specification.size, dtype=np.float64)
    kept = slice(None) if specification.keep is None else specification.keep
    return np.array(points[:, kept]), np.array(scores[:, kept])
