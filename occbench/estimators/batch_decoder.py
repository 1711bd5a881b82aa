"""What decodes the raw outputs of a batch: averaging where the tensors are, then a few values a keypoint in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .heatmaps import Arrays

if TYPE_CHECKING:
    import torch

Raw = tuple["torch.Tensor", ...]
"""What a head's ``forward`` returns, float32; a lone tensor is a tuple of one, a list of stages a tuple of them."""

Mirror = tuple[int, ...]

PART_BYTES = 4 << 20
"""Raw output decoded at a time on a CPU."""


class Decoder(Protocol):
    """Decodes the raw outputs of a batch of B crops."""

    @property
    def factor(self) -> tuple[float, float] | None:
        """Crop px per heatmap px along x and y; None where the output is no plain heatmap."""

    @property
    def earlier(self) -> int:
        """How many stages of a cascade come before the last: the keypoints of all stand beside each other, 2 S wide."""

    @property
    def flips(self) -> bool:
        """Whether it wants the output for the mirrored crops: with flip test, unless the network has it averaged in."""

    def merged(self, raw: Raw, flipped: Raw | None) -> Raw:
        """Heatmaps (B, K, H, W) of the last stage, those of the mirrored crops averaged in; where there is a factor."""

    def __call__(self, raw: Raw, flipped: Raw | None) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints, shape (B, K, 2), float32, crop px, and their scores, shape (B, K), float32.

        Args:
            raw: Output of the head; left as it is.
            flipped: Its output for the mirrored crops, not mirrored back; None without flip test.

        Raises:
            ValueError: The flip test is on and ``flipped`` is None, or the other way round.
        """

    def decoded(self, merged: Raw) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints and scores, as of a call, from what :meth:`merged` gave."""

    def found(self, raw: Raw, flipped: Raw | None) -> torch.Tensor:
        """The first half of a call: what the second needs, a table (B, K, columns), float32, where the outputs are.

        It waits for no device, so that it can be a part of a CUDA graph.
        """

    def finished(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The second half of a call."""


@dataclass(frozen=True)
class BatchDecoder:
    """Averages with the output for the mirrored crops where the flip test is on, then decodes."""

    search: Callable[[Raw], torch.Tensor]
    refine: Callable[[np.ndarray], Arrays]
    merge: Callable[[Raw, Raw], Raw] | None
    factor: tuple[float, float] | None = None
    earlier: int = 0

    @property
    def flips(self) -> bool:
        return self.merge is not None

    def merged(self, raw: Raw, flipped: Raw | None) -> Raw:
        import torch

        self._check(flipped)
        with torch.inference_mode():
            return raw[-1:] if self.merge is None or flipped is None else self.merge(raw, flipped)

    def decoded(self, merged: Raw) -> Arrays:
        return replace(self, merge=None)(merged, None)

    def found(self, raw: Raw, flipped: Raw | None) -> torch.Tensor:
        import torch

        self._check(flipped)
        with torch.inference_mode():
            piece = _contiguous(raw)
            if self.merge is not None and flipped is not None:
                piece = self.merge(piece, _contiguous(flipped))
            return self.search(piece)

    def finished(self, found: np.ndarray) -> Arrays:
        keypoints, scores = self.refine(found)
        return keypoints.astype(np.float32), scores.astype(np.float32)

    def _check(self, flipped: Raw | None) -> None:
        if (self.merge is None) != (flipped is None):
            expected = "without" if self.merge is None else "with"
            raise ValueError(f"this decoder is one for predictions {expected} flip test")

    def __call__(self, raw: Raw, flipped: Raw | None) -> Arrays:
        pieces = [
            self.finished(self.found(_cut(raw, part), None if flipped is None else _cut(flipped, part)).cpu().numpy())
            for part in _parts(raw)
        ]
        keypoints, scores = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        return keypoints, scores


def _parts(raw: Raw) -> list[slice]:
    """Which crops are decoded at a time: on a GPU all, on a CPU as many as fit in its cache."""
    crops = len(raw[0])
    if raw[0].device.type != "cpu":
        return [slice(0, crops)]
    size = sum(tensor[:1].nbytes for tensor in raw)
    step = max(1, PART_BYTES // size)
    return [slice(start, start + step) for start in range(0, crops, step)]


def _cut(raw: Raw, crops: slice) -> Raw:
    return tuple(tensor[crops] for tensor in raw)


def _contiguous(raw: Raw) -> Raw:
    """In memory as ``(B, K, ...)``, whatever layout the backend prefers."""
    return tuple(tensor.contiguous() for tensor in raw)


def is_kernel(size: Any) -> bool:
    """Whether MMPose can blur with it."""
    return isinstance(size, int) and size >= 3 and size % 2 == 1


def mean(raw: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """The average, in the memory of ``mirrored``."""
    return mirrored.add_(raw).mul_(0.5)


@lru_cache
def index_of(mirror: Mirror, device: torch.device) -> torch.Tensor:
    """The keypoints' places in the mirror, int64, on a device; kept."""
    import torch

    return torch.tensor(mirror, device=device)
