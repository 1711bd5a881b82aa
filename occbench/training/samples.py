"""What MMPose does for every sample anew, done once or in a short way: the samples are the same."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..system.compat import setup_mmpose


class Shared(list[Any]):
    """A list of a data set's description, which nobody changes: a copy of a sample shares it."""

    def __copy__(self) -> Shared:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Shared:
        return self


class Description(dict[str, Any]):
    """A data set's description that gives each sample the same lists; a copy, as a checkpoint keeps it, is plain."""

    def __init__(self, plain: dict[str, Any]) -> None:
        super().__init__(plain)
        self._shared = {name: Shared(value) for name, value in plain.items() if isinstance(value, list)}

    def __getitem__(self, name: str) -> Any:
        return self._shared[name] if name in self._shared else super().__getitem__(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {name: copy.deepcopy(value, memo) for name, value in self.items()}


def lighten(dataset: Any) -> None:
    """Make the samples of a data set cost less.

    MMPose copies the description of its keypoints twice for every sample, and draws scales and angles from a general
    distribution of SciPy's, which together are a fifth of the time of a sample.

    Args:
        dataset: Of MMPose, or around one; its transforms draw as before in this process and in those forked from it.
    """
    setup_mmpose()
    from mmpose.datasets.transforms import RandomBBoxTransform

    RandomBBoxTransform._truncnorm = staticmethod(truncated_normal)
    for part in (dataset, getattr(dataset, "dataset", None), *getattr(dataset, "datasets", ())):
        if isinstance(getattr(part, "_metainfo", None), dict):
            part._metainfo = Description(part._metainfo)


def truncated_normal(low: float = -1.0, high: float = 1.0, size: tuple[int, ...] = (4,)) -> np.ndarray:
    """``scipy.stats.truncnorm.rvs``, from NumPy's generator as that, float32: a standard normal between two ends."""
    from scipy.special import ndtr, ndtri

    below, above = ndtr(low), ndtr(high)
    uniform = np.random.uniform(size=size)  # noqa: NPY002 (what MMPose's transforms draw from)
    drawn: np.ndarray = ndtri(below + uniform * (above - below))
    return drawn.astype(np.float32)
