"""The joints of a data set followed from the clean cell to others, by kind of error (PROTOCOL section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.bootstrap import MIN_PERSONS
from ..evaluation.errors import KINDS, LOST, NO_JOINT, error_kinds, transitions
from ..evaluation.intervals import intervals
from .rows import Row, cell_columns
from .scoring import Scoring

ALL, OWN, COLLATERAL = "all", "own", "collateral"
"""Groups of joints: everybody's, the hidden ones of attacked persons, and their others."""


@dataclass(frozen=True, eq=False)
class Followed:
    """Joints that were followed from the clean cell to another.

    Attributes:
        by_image: Shape (I, 6, 6), int, of :func:`~.evaluation.errors.transitions`.
        persons: Who have any of these joints.
    """

    by_image: np.ndarray
    persons: int

    def __add__(self, other: Followed) -> Followed:
        return Followed(self.by_image + other.by_image, self.persons + other.persons)


class Migration:
    """Follows the joints of a data set from the clean cell to others.

    Args:
        dataset: Whose truth.
        scoring: The draws behind the intervals.
        clean: Shape (G, K, 2), image px: the pose of each annotated person without an attack; NaN for none.
    """

    def __init__(self, dataset: Dataset, scoring: Scoring, clean: np.ndarray) -> None:
        truth = dataset.truth
        self._dataset = dataset
        self._image = np.searchsorted(truth.image_ids, truth.image)
        self._weights = scoring.weights(len(truth.image_ids))
        self._mirror = np.array(dataset.skeleton.flip_indices)
        self._clean = self._kinds(clean)

    def _kinds(self, poses: np.ndarray) -> np.ndarray:
        return error_kinds(self._dataset.truth, poses, self._dataset.sigmas, self._mirror)

    def rows(self, attack: Attack | None, followed: Mapping[str, Followed]) -> list[Row]:
        """The rows of a cell, or of several under one name.

        Args:
            attack: None for the clean cell, and for results that say nothing of one.
            followed: Of :meth:`follow`, by group of joints.
        """
        return [cell_columns(attack) | row for name, found in followed.items() for row in self._group(name, found)]

    def follow(
        self, poses: np.ndarray, covered: np.ndarray | None = None, attacked: np.ndarray | None = None
    ) -> dict[str, Followed]:
        """Where the joints of the clean cell go in another one, by group; groups without any joint are left out.

        Args:
            poses: Shape (G, K, 2), as of the clean cell.
            covered: Shape (G, K), bool: hidden joints; only under an attack.
            attacked: Shape (G,), bool: persons whom it changed; likewise.
        """
        kinds = self._kinds(poses)
        everything = self._clean != NO_JOINT
        if covered is None or attacked is None:
            groups = {ALL: everything}
        else:
            theirs = attacked[:, None] & everything
            groups = {OWN: theirs & covered, COLLATERAL: theirs & ~covered}
        images = len(self._dataset.truth.image_ids)
        return {
            name: Followed(transitions(self._clean, kinds, which, self._image, images), int(which.any(1).sum()))
            for name, which in groups.items()
            if which.any()
        }

    def _group(self, name: str, found: Followed) -> list[Row]:
        by_image = found.by_image
        size = len(KINDS) if by_image[:, LOST].any() or by_image[:, :, LOST].any() else LOST
        by_image = by_image[:, :size, :size]
        counts = by_image.sum(0)
        total, before = counts.sum(), counts.sum(1, keepdims=True)
        of_clean = np.divide(counts, before, out=np.full(counts.shape, np.nan), where=before > 0)
        row: Row = {"joints": name, "persons": found.persons, "total": int(total)}
        share_ends, clean_ends = self._ends(by_image, counts / total, of_clean, found.persons)
        return [
            row
            | {"clean": KINDS[i], "attacked": KINDS[j], "n": int(counts[i, j])}
            | {"share": counts[i, j] / total, "share_lo": share_ends[0][i, j], "share_hi": share_ends[1][i, j]}
            | {"of_clean": of_clean[i, j], "of_clean_lo": clean_ends[0][i, j], "of_clean_hi": clean_ends[1][i, j]}
            for i in range(size)
            for j in range(size)
        ]

    def _ends(
        self, by_image: np.ndarray, share: np.ndarray, of_clean: np.ndarray, persons: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The ends of the intervals of both shares, each (kinds, kinds); NaN where there is none."""
        shape = share.shape
        nothing = np.full(shape, np.nan)
        if self._weights is None or persons < MIN_PERSONS:
            return [(nothing, nothing)] * 2
        drawn = (self._weights.draws.astype(np.float64) @ by_image.reshape(len(by_image), -1)).reshape(-1, *shape)
        found = []
        for value, whole in ((share, drawn.sum((1, 2), keepdims=True)), (of_clean, drawn.sum(2, keepdims=True))):
            draws = np.divide(drawn, whole, out=np.full(drawn.shape, np.nan), where=whole > 0)
            images = np.full(value.size, np.count_nonzero(by_image.any((1, 2))))
            # Of none or all the draws say nothing: every one of them has none or all.
            known = np.where((value > 0) & (value < 1), value, np.nan).ravel()
            ends = intervals(known, draws.reshape(len(draws), -1), clusters=images)
            found.append((ends.lo.reshape(shape), ends.hi.reshape(shape)))
        return found
