"""What a model said about every person under one attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..attacks import Attack

GEOMETRY = ("center_x", "center_y", "scale_w", "scale_h", "torso")
"""Of a crop: the box that was cut out (image px), and the person's torso (crop px; NaN where it is not labelled)."""


@dataclass(frozen=True, eq=False)
class CellPredictions:
    """The predictions of a cell, or of a stretch of its persons.

    Attributes:
        attack: The attack; None for the clean cell.
        keypoints: Shape (N, K, 2), float32, image px, in the order of the persons.
        scores: Shape (N, K), float32.
        attacked: Shape (N,), bool: whose crop the attack changed.
        covered: Shape (N, K), bool: labelled keypoints that lie in the painted region.
        missing: Shape (N,), int16: decoys or placebos that did not fit on the person.
        centres: Shape (N, M, 2), float32, crop px: of the occluder on the target, then of those elsewhere; NaN: none.
    """

    attack: Attack | None
    keypoints: np.ndarray
    scores: np.ndarray
    attacked: np.ndarray
    covered: np.ndarray
    missing: np.ndarray
    centres: np.ndarray

    @property
    def slug(self) -> str:
        """The cell's name as a file name."""
        return cell_slug(self.attack)

    def __len__(self) -> int:
        return len(self.keypoints)

    def rows(self, which: slice | np.ndarray) -> CellPredictions:
        """The predictions of some of the persons."""
        return CellPredictions(self.attack, **{name: getattr(self, name)[which] for name in ARRAYS})

    @classmethod
    def joined(cls, pieces: Sequence[CellPredictions]) -> CellPredictions:
        """One cell of its stretches, in order."""
        arrays = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in ARRAYS}
        return cls(pieces[0].attack, **arrays)

    @classmethod
    def empty(cls, attack: Attack | None, persons: int, keypoints: int) -> CellPredictions:
        """Room for the predictions of a cell, nobody attacked."""
        occluders = 0 if attack is None else 1 + attack.placement.elsewhere
        return cls(
            attack,
            np.zeros((persons, keypoints, 2), np.float32),
            np.zeros((persons, keypoints), np.float32),
            np.zeros(persons, bool),
            np.zeros((persons, keypoints), bool),
            np.zeros(persons, np.int16),
            np.full((persons, occluders, 2), np.nan, np.float32),
        )


ARRAYS = tuple(field.name for field in fields(CellPredictions) if field.name != "attack")


def cell_slug(attack: Attack | None) -> str:
    """The name of a cell as a file name: ``clean``, or the attack's."""
    return "clean" if attack is None else attack.slug


def to_crop(points: np.ndarray, geometry: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Predicted points from image px to crop px: the inverse of what MMPose does after decoding.

    Args:
        points: Shape (N, K, 2), image px.
        geometry: Shape (N, 5), columns :data:`GEOMETRY`.
        size: Width and height of the crop.

    Returns:
        Shape (N, K, 2), float64.
    """
    center, scale = geometry[:, None, :2].astype(np.float64), geometry[:, None, 2:4].astype(np.float64)
    return (points - center + 0.5 * scale) / scale * np.array(size)
