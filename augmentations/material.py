"""What the fills beyond the thesis are made of in training: cut-outs, and other persons of the data set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from mmpose.datasets.transforms import LoadImage, TopdownAffine

from ..attacks import Cutouts, Donors, Draw, Material, Skeleton, drawn_cutouts
from ..data.occluders import read_cutouts
from ..system.errors import OccbenchError
from .bank import CROP, crop_of, person_ids
from .occlusion import Person

DONORS = 128
"""Persons who may give at a time; their crops are kept in memory by each worker (19 MB at 256x192)."""
REFRESH = 100
"""Samples per donor before other persons take their turn, as in PartMix."""


class TrainingMaterial:
    """Makes what one sample's occluders are drawn from.

    With :class:`~.seeding.SeedSample` in the pipeline the donors hang on seed and epoch alone, and change from time to
    time; without, each worker draws its own and keeps them.

    Args:
        occluders: A folder of cut-outs; None for the drawn ones.
        donors: Whether other persons are needed.

    Raises:
        OccbenchError: The folder cannot be used.
    """

    def __init__(self, occluders: str | None = None, donors: bool = False) -> None:
        self._cutouts: Cutouts = drawn_cutouts() if occluders is None else read_cutouts(Path(occluders))
        self._wanted = donors
        self._filled: tuple[tuple[int, ...], Donors] | None = None

    def draw(self, person: Person, results: dict[str, Any], rng: np.random.Generator) -> Draw:
        """For one person of a sample."""
        donors = self._donors(person, results, rng) if self._wanted else None
        return Draw(Material(self._cutouts, donors), rng, frozenset(person_ids(results)), person.size)

    def _donors(self, person: Person, results: dict[str, Any], rng: np.random.Generator) -> Donors:
        dataset = results.get("dataset")
        if dataset is None:
            raise OccbenchError("fill person needs to reach the data set for its donors: use a data set of MMPose 1.3")
        if "draw_seed" in results:
            turn = results["draw_epoch"] * len(dataset) // (REFRESH * DONORS) if len(dataset) > DONORS else 0
            key: tuple[int, ...] = (results["draw_seed"], turn)
        elif self._filled is not None:
            return self._filled[1]
        else:
            key = tuple(rng.integers(2**32, size=2).tolist())
        if self._filled is None or self._filled[0] != key:
            topdown = results.get("transformed_keypoints") is not None
            size = tuple(results["input_size"]) if topdown else CROP
            self._filled = key, _donors_of(dataset, person.skeleton, size, np.random.default_rng(key))
        return self._filled[1]


def _donors_of(dataset: Any, skeleton: Skeleton, size: tuple[int, int], rng: np.random.Generator) -> Donors:
    load, affine = LoadImage(), TopdownAffine(size)
    chosen: list[tuple[int, int, int, np.ndarray]] = []
    for index in rng.permutation(len(dataset)).tolist():
        chosen += [(index, *found) for found in _labelled(dataset.get_data_info(index))]
        if len(chosen) >= DONORS:
            break

    @lru_cache(maxsize=DONORS)
    def view(position: int) -> tuple[np.ndarray, np.ndarray]:
        sample = dataset.get_data_info(chosen[position][0])
        photo = load.transform({"img_path": sample["img_path"]})["img"]
        return crop_of(photo, sample, chosen[position][1], affine)

    chosen = chosen[:DONORS]
    labelled = np.array([who[3] for who in chosen], bool).reshape(len(chosen), len(skeleton.keypoints))
    return Donors(skeleton, np.array([who[2] for who in chosen], np.int64), labelled, view)


def _labelled(sample: dict[str, Any]) -> Iterator[tuple[int, int, np.ndarray]]:
    """The persons of a sample with any labelled keypoint: place, annotation id, (K,) bool."""
    visible = sample["keypoints_visible"]
    labelled = (visible[..., 0] if visible.ndim == 3 else visible) > 0
    for n, (person, flags) in enumerate(zip(person_ids(sample), labelled, strict=True)):
        if flags.any():
            yield n, person, flags
