"""Pictures as a network wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .specification import Specification


def as_input(pictures: np.ndarray, specification: Specification, dtype: np.dtype[Any]) -> np.ndarray:
    """Pictures (B, h, w, 3), uint8, BGR in the network's colours, values, layout and type of number."""
    values = pictures if specification.colours == "bgr" else pictures[..., ::-1]
    scale, mean, std = specification.scale, specification.mean, specification.std
    if scale != 1 or any(mean) or any(one != 1 for one in std):
        values = values.astype(np.float32)
        if scale != 1:
            values *= np.float32(scale)
        values = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
    if specification.layout == "nchw":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, dtype=dtype)
