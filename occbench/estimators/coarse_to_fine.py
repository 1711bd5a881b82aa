"""The decoder of coarse-to-fine heatmaps: the coarse points, and beside them the fine ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch_decoder import BatchDecoder, Raw
from .heatmaps import Arrays

if TYPE_CHECKING:
    import torch


def coarse_to_fine_decoder(head: Any) -> BatchDecoder:
    """Of CoarseToFineHead with JointPlaces; its network has the mirrored crops averaged in where there is a flip test.

    A score is the height of the coarse maximum, which the fine network does not change.
    """
    return BatchDecoder(partial(_points, head), _apart, None, earlier=head.stages - 1)


def _points(head: Any, raw: Raw) -> torch.Tensor:
    """Points of both stages and a score, (B, K, 2 S + 1)."""
    import torch

    return torch.cat([*head.points(raw), raw[0].amax((2, 3))[..., None]], -1)


def _apart(table: np.ndarray) -> Arrays:
    return table[..., :-1], table[..., -1]
