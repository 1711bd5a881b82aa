"""What a model said about every person under one attack."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..attacks import Attack

GEOMETRY = ("center_x", "center_y", "scale_w", "scale_h", "torso")
"""Of a crop: the box that was cut out (image px), and the person's torso (crop px; NaN where it is not labelled)."""

PHOTO_GEOMETRY = (*GEOMETRY, "image_px_per_crop_px", "network_px_per_crop_px")
"""Of the reference crop of an estimator that sees whole photos: as above, and what a crop px is in the photo and in the
network's input."""


@dataclass(frozen=True, eq=False)
class FoundPersons:
    """Everybody whom an estimator of whole photos found, photo by photo; within a photo in the estimator's order.

    Attributes:
        image: Shape (D,), int64: image ids.
        keypoints: Shape (D, K, 2), float32, image px.
        keypoint_scores: Shape (D, K), float32.
        scores: Shape (D,), float32: of the persons, as the estimator gives them.
        person: Shape (D,), int32: which row of the cell is the annotated person that each was matched to, -1 for nobody
            (by OKS, PROTOCOL section 9).
    """

    image: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray
    person: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def some(self, which: np.ndarray) -> FoundPersons:
        """Some of them; ``which``: shape (D,), bool, or indices."""
        return FoundPersons(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[FoundPersons]) -> FoundPersons | None:
        """One after the other; None of none."""
        if not parts:
            return None
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def by_person(self, persons: int) -> tuple[np.ndarray, np.ndarray]:
        """The pose of each of so many persons: keypoints (N, K, 2) and scores (N, K), float32; NaN where none is."""
        k = self.keypoint_scores.shape[1]
        keypoints, scores = np.full((persons, k, 2), np.nan, np.float32), np.full((persons, k), np.nan, np.float32)
        known = self.person >= 0
        keypoints[self.person[known]] = self.keypoints[known]
        scores[self.person[known]] = self.keypoint_scores[known]
        return keypoints, scores


@dataclass(frozen=True, eq=False)
class CellPredictions:
    """The predictions of a cell, or of a stretch of its persons.

    Attributes:
        attack: The attack; None for the clean cell.
        keypoints: Shape (N, K, 2), float32, image px, in the order of the persons. Of an estimator of whole photos, of
            the person that was matched; NaN for nobody.
        scores: Shape (N, K), float32; likewise.
        attacked: Shape (N,), bool: whose crop the attack changed.
        covered: Shape (N, K), bool: labelled keypoints that lie in the painted region.
        missing: Shape (N,), int16: decoys or placebos that did not fit on the person.
        centres: Shape (N, M, 2), float32, crop px: of the occluder on the target, then of those elsewhere; NaN: none.
        pixels: Shape (N, 2), float32, crop px squared: how much of the crop objects hide, and of that how much beyond
            the discs or rectangles that they stand for; 0 under every other fill, whose regions say it.
        stages: Shape (N, S - 1, K, 2), float32, image px: what the earlier stages of a cascade say, the first stage
            first; of other models (N, 0, K, 2).
        visibility: Shape (N, K), float32: how visible a keypoint is, where the estimator says it beside the scores; NaN
            where that is not known; of other estimators (N, 0).
        found: Everybody who was found, where the estimator sees whole photos; else None.
        regrouped: The same joints put together as the truth has them, where the estimator groups by tags; else None.
    """

    attack: Attack | None
    keypoints: np.ndarray
    scores: np.ndarray
    attacked: np.ndarray
    covered: np.ndarray
    missing: np.ndarray
    centres: np.ndarray
    pixels: np.ndarray
    stages: np.ndarray
    visibility: np.ndarray
    found: FoundPersons | None = None
    regrouped: FoundPersons | None = None

    @property
    def slug(self) -> str:
        """The cell's name as a file name."""
        return cell_slug(self.attack)

    def __len__(self) -> int:
        return len(self.keypoints)

    def rows(self, which: slice, images: Collection[int] = ()) -> CellPredictions:
        """The predictions of a stretch of the persons.

        Args:
            which: Whose.
            images: All photos of the stretch, where the estimator sees whole photos.
        """
        arrays = {name: getattr(self, name)[which] for name in ARRAYS}
        if self.found is None:
            return CellPredictions(self.attack, **arrays, found=None)
        first = which.indices(len(self))[0]
        found, regrouped = (
            None if part is None else _moved(part.some(np.isin(part.image, list(images))), -first)
            for part in (self.found, self.regrouped)
        )
        return CellPredictions(self.attack, **arrays, found=found, regrouped=regrouped)

    @classmethod
    def joined(cls, pieces: Sequence[CellPredictions]) -> CellPredictions:
        """One cell of its stretches, in order."""
        arrays: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in ARRAYS}
        starts = np.cumsum([0, *map(len, pieces)]).tolist()
        found, regrouped = (
            FoundPersons.joined([_moved(p, first) for p, first in zip(parts, starts, strict=False) if p is not None])
            for parts in ([piece.found for piece in pieces], [piece.regrouped for piece in pieces])
        )
        if any(piece.regrouped is None for piece in pieces):  # some are of an occbench that did not ask
            regrouped = None
        return cls(pieces[0].attack, **arrays, found=found, regrouped=regrouped)

    @classmethod
    def empty(
        cls, attack: Attack | None, persons: int, keypoints: int, earlier: int = 0, visibility: bool = False
    ) -> CellPredictions:
        """Room for the predictions of a cell, nobody attacked.

        Args:
            attack: The cell's.
            persons: How many.
            keypoints: Of a person.
            earlier: Stages before the last.
            visibility: Whether the estimator says it beside the scores.
        """
        occluders = 0 if attack is None else 1 + attack.placement.elsewhere
        return cls(
            attack,
            np.zeros((persons, keypoints, 2), np.float32),
            np.zeros((persons, keypoints), np.float32),
            np.zeros(persons, bool),
            np.zeros((persons, keypoints), bool),
            np.zeros(persons, np.int16),
            np.full((persons, occluders, 2), np.nan, np.float32),
            np.zeros((persons, 2), np.float32),
            np.zeros((persons, earlier, keypoints, 2), np.float32),
            np.full((persons, keypoints if visibility else 0), np.nan, np.float32),
        )


ARRAYS = tuple(field.name for field in fields(CellPredictions) if field.name not in ("attack", "found", "regrouped"))


def _moved(found: FoundPersons, rows: int) -> FoundPersons:
    """With the persons so many rows further down."""
    return replace(found, person=np.where(found.person < 0, -1, found.person + rows).astype(np.int32))


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
