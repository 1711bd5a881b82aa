"""Fractional max-pooling: by random regions in training, by regions that hang on the size alone in evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 2
SEED = 20170804


@torch.fx.wrap
def fractional_max_pool(x: Tensor, ratio: float, training: bool) -> Tensor:
    """Max-pooling of 2x2 windows to ``ratio`` times the resolution (Section 3.2, Graham's fractional max-pooling).

    In training torch's own, which draws the windows anew for every map from torch's generator. In evaluation the
    windows are drawn once for each pair of sizes from a fixed seed, so that an output hangs on its input alone: not on
    the batch, the call, the device or the process. They are drawn, not averaged over, because the expectation over all
    windows is no max-pooling: filters that learned from drawn maxima would see flatter maps.

    Args:
        x: Maps, shape (B, C, H, W).
        ratio: Resolution of the output by that of the input, in (0, 1); the size is rounded down, to at least 1.
        training: Draw the windows.

    Returns:
        Shape (B, C, floor(ratio H), floor(ratio W)).
    """
    with sizes_are_constants():
        height, width = (int(side) for side in x.shape[-2:])
        size = pooled_size(height, ratio), pooled_size(width, ratio)
        if training:
            return F.fractional_max_pool2d(x, (min(WINDOW, height), min(WINDOW, width)), output_size=size)
        return _pooled(_pooled(x, 2, size[0]), 3, size[1])


@contextmanager
def sizes_are_constants() -> Iterator[None]:
    """Keep torch's tracer from warning that the size of the input becomes part of what it records, as is meant."""
    if not torch.jit.is_tracing():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        yield


def pooled_size(size: int, ratio: float) -> int:
    """The resolution after pooling: at least 1, and less than ``size``, since neighbouring windows may not be equal."""
    return max(1, min(int(size * ratio), size - 1))


def _pooled(x: Tensor, axis: int, size: int) -> Tensor:
    """Windows of two along one axis. A square's maximum is that of its rows' maxima, so two axes are two calls.

    Made of gathering and comparing, which every export format has; torch's operator has no ONNX form.
    """
    if x.shape[axis] == 1:
        return x
    starts = torch.tensor(window_starts(int(x.shape[axis]), size, axis), device=x.device)
    return torch.maximum(x.index_select(axis, starts), x.index_select(axis, starts + 1))


@cache
def window_starts(size: int, pooled: int, axis: int) -> tuple[int, ...]:
    """Where the windows of the evaluation begin: torch's sequence for one sample drawn for these sizes."""
    sample = float(np.random.default_rng([SEED, axis, size, pooled]).random())
    last = size - WINDOW
    step = last / (pooled - 1) if pooled > 1 else 0.0
    return (*(int((i + sample) * step) - int(sample * step) for i in range(pooled - 1)), last)
