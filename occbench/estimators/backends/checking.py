"""Whether a backend computes what MMPose computes, on real crops, before anything is measured with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...system.errors import OccbenchError
from .network import FromCrops

if TYPE_CHECKING:
    from . import Backend, Raw

TOLERANCE = 1e-4
"""Largest difference in fp32, as a part of an output's range. Rounding makes up to 1e-5.

Heatmaps within it have their maximum at the same pixel wherever it stands out by twice as much.
"""

MOST = 8  # crops: a few are enough to tell a wrong graph
LEAST = 3  # crops: graphs are traced with two, and a batch size that is baked into one must be found


def checked_batch(sample: np.ndarray) -> np.ndarray:
    """Three to eight crops of the sample, repeated where it has fewer."""
    return np.ascontiguousarray(sample[np.arange(min(max(len(sample), LEAST), MOST)) % len(sample)])


def reference_output(estimator: Any, batch: np.ndarray) -> Raw:
    """MMPose's own forward pass in fp32.

    Raises:
        OccbenchError: It is not finite.
    """
    with torch.inference_mode():
        reference = FromCrops(estimator)(torch.from_numpy(batch).to(estimator.data_preprocessor.device))
    if not all(bool(tensor.isfinite().all()) for tensor in reference):
        raise OccbenchError(
            "the model's output for the first crops is not finite: the weights are damaged, or not those of this config"
        )
    return reference


def difference(raw: Raw, reference: Raw) -> float:
    """The largest one between two outputs, as a part of the range of each tensor of the reference.

    Infinite where the shapes differ or the output is not finite.
    """
    if [tensor.shape for tensor in raw] != [tensor.shape for tensor in reference]:
        return math.inf
    largest = 0.0
    for found, expected in zip(raw, reference, strict=True):
        apart = float((found.to(expected.device) - expected).abs().max())
        if not math.isfinite(apart):
            return math.inf
        largest = max(largest, apart / max(float(expected.max() - expected.min()), 1e-12))
    return largest


def check(name: str, precision: str, backend: Backend, batch: np.ndarray, reference: Raw) -> float:
    """How far a backend is from MMPose's forward pass, for the batch and for one crop alone.

    Raises:
        OccbenchError: Too far for fp32, or without any bound.
    """
    one = tuple(tensor[:1] for tensor in reference)
    largest = max(
        difference(backend(batch, False)[0], reference),
        difference(backend(batch[:1], False)[0], one),
    )
    if largest == math.inf and precision != "fp32":
        raise OccbenchError(
            f"--backend {name} gives no finite output in {precision} for this model; use --precision fp32"
        )
    if largest > TOLERANCE and precision == "fp32":
        other = "" if name == "torch" else "; use --backend torch"
        raise OccbenchError(
            f"--backend {name} does not compute what MMPose computes: for the first crops its output is away by "
            f"{largest:.1g} of the output's range, where {TOLERANCE:g} is allowed{other}"
        )
    return largest
