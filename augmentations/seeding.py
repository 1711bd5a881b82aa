"""Random numbers that hang on seed, epoch and person alone: the same for any number of workers, and after a resume.

MMEngine seeds each worker once, so what a person's crop looks like depends on how many workers there are and on what
they did before, and a resumed training does not go on as the undisturbed one would have. With :class:`EpochSampler` as
the sampler and :class:`SeedSample` as the first transform, every sample starts from a state of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler
from mmpose.registry import DATA_SAMPLERS, TRANSFORMS

from ..system.errors import OccbenchError


class Draw(int):
    """An index into the data that knows in which epoch it was drawn, also in another process.

    Attributes:
        epoch: Counted from 0.
    """

    epoch: int

    def __new__(cls, index: int, epoch: int) -> Draw:
        """An index of an epoch."""
        draw = super().__new__(cls, index)
        draw.epoch = epoch
        return draw

    def __reduce__(self) -> tuple[type[Draw], tuple[int, int]]:
        """Pickle the epoch as well."""
        return Draw, (int(self), self.epoch)


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """MMEngine's DefaultSampler, whose indices know their epoch."""

    def __iter__(self) -> Iterator[int]:
        """The indices of one epoch."""
        return (Draw(index, self.epoch) for index in super().__iter__())


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Seeds numpy's and Python's global random states from seed, epoch and sample; to stand first in the pipeline.

    Where the sampler does not tell the epoch, nothing is seeded: the same numbers in every epoch would be worse.

    Args:
        seed: From 0 to 2^32 - 1.

    Raises:
        OccbenchError: The seed is out of range.
    """

    def __init__(self, seed: int = 0) -> None:
        if not (isinstance(seed, int) and 0 <= seed < 2**32):
            raise OccbenchError(f"the seed of SeedSample must be from 0 to {2**32 - 1}, but got {seed!r}")
        self.seed = seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Seed for one sample, and leave ``draw_seed`` and ``draw_epoch`` for transforms that need more than that."""
        index = results.get("sample_idx")
        if isinstance(index, Draw):
            np.random.seed([self.seed, index.epoch, int(index)])  # noqa: NPY002 (MMPose's transforms draw from it)
            random.seed((self.seed << 64) + (index.epoch << 32) + int(index))
            results["draw_seed"], results["draw_epoch"] = self.seed, index.epoch
        return results
