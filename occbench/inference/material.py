"""What the fills beyond the thesis are made of in a measurement: cut-outs, and the other persons of the data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..attacks import Cutouts, Donors, Material, Skeleton, drawn_cutouts
from ..data.persons import Person
from ..data.photos import decode
from ..estimators.crops import CropPipeline

DONORS = 128
"""Persons who give what fill ``person`` pastes; their crops are kept in memory (19 MB at 256x192)."""


def material_of(
    persons: Sequence[Person], pipeline: CropPipeline, skeleton: Skeleton, seed: int, cutouts: Cutouts | None = None
) -> Material:
    """The material of a measurement: it hangs on the persons and the seed alone, not on who computes which share.

    Args:
        persons: All of the data; of those who are labelled, :data:`DONORS` drawn at random may give.
        pipeline: Cuts their crops, when they first give.
        skeleton: Their keypoints and parts.
        seed: Of the draw.
        cutouts: For fill ``object``; None for the drawn ones.
    """
    able = [person for person in persons if person.annotation is not None and person.labelled.any()]
    order = np.random.default_rng([seed, len(able)]).permutation(len(able))
    chosen = [able[i] for i in order[:DONORS]]

    @lru_cache(maxsize=DONORS)
    def view(position: int) -> tuple[np.ndarray, np.ndarray]:
        crop = pipeline.cut(chosen[position], decode(chosen[position].photo))
        return crop.image, crop.keypoints

    ids = np.array([person.annotation for person in chosen], np.int64)
    labelled = np.array([person.labelled for person in chosen], bool).reshape(len(chosen), len(skeleton.keypoints))
    return Material(cutouts or drawn_cutouts(), Donors(skeleton, ids, labelled, view))
