"""Other persons whose keypoints and parts are pasted over somebody's (PROTOCOL section 10, fill person)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .regions import Region, part_box, rectangle
from .targets import Skeleton

PARTS = ("head", "left_arm", "right_arm", "left_leg", "right_leg", "corpus")
"""What PartMix pastes (PROTOCOL section 6); a skeleton without any of them gives all of its parts."""

View = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Of a donor by position: the crop, (h, w, 3) uint8, and the keypoints, (K, 2), crop px."""


def kind_of(name: str) -> str:
    """A keypoint's or part's name without its side: a left arm and a right arm are of one kind."""
    return name.removeprefix("left_").removeprefix("right_")


@dataclass(frozen=True, eq=False)
class Donors:
    """Persons who may give what is pasted, in crops of the size of those that are attacked.

    Attributes:
        skeleton: Their keypoints and parts.
        ids: Shape (M,), int: annotation ids.
        labelled: Shape (M, K), bool.
        view: Looks at one of them; called when they are drawn.
    """

    skeleton: Skeleton
    ids: np.ndarray
    labelled: np.ndarray
    view: View

    def disc(
        self, region: Region, keypoint: str, own: frozenset[int], rng: np.random.Generator, scale: float
    ) -> np.ndarray | None:
        """What lies around a keypoint of another kind of another person, for the window of a disc.

        First the person is drawn, then the keypoint. Past the edge of their crop its outermost pixels are repeated.

        Args:
            region: The disc.
            keypoint: Whose it is.
            own: Annotation ids who may not give.
            rng: Random state.
            scale: Px per crop px where the disc is.

        Returns:
            Shape (rows, columns, 3), uint8; None where nobody can give.
        """
        names = self.skeleton.keypoints
        others = np.array([kind_of(name) != kind_of(keypoint) for name in names])
        drawn = self._draw(self.labelled & others, own, rng)
        if drawn is None:
            return None
        crop, points = self.view(drawn[0])
        rows, columns = region.mask.shape
        x0, y0 = np.rint(points[drawn[1]])
        x = x0 + (region.left + np.arange(columns) - np.rint(region.centre[0])) / scale
        y = y0 + (region.top + np.arange(rows) - np.rint(region.centre[1])) / scale
        across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return cv2.remap(crop, across, down, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def part(
        self, region: Region, part: str, radius: float, own: frozenset[int], rng: np.random.Generator
    ) -> np.ndarray | None:
        """A part of another kind of another person, all of whose keypoints are labelled, resized by area to a window.

        First the person is drawn, then the part, as PartMix does.

        Args:
            region: The rectangle.
            part: Whose it is.
            radius: How far the donor's rectangle reaches beyond its keypoints, crop px.
            own: Annotation ids who may not give.
            rng: Random state.

        Returns:
            Shape (rows, columns, 3), uint8; None where nobody can give.
        """
        known = self.skeleton.parts
        given = [name for name in PARTS if name in known] or list(known)
        others = [name for name in given if kind_of(name) != kind_of(part)]
        whole = np.array([self.labelled[:, self.skeleton.indices("part", name)].all(1) for name in others])
        drawn = self._draw(whole.reshape(len(others), len(self.ids)).T, own, rng)
        if drawn is None:
            return None
        crop, points = self.view(drawn[0])
        box = part_box(points[self.skeleton.indices("part", others[drawn[1]])], radius)
        window = None if box is None else rectangle(box, (crop.shape[0], crop.shape[1]))
        if window is None:  # the part lies outside of the donor's own crop
            return None
        rows, columns = region.mask.shape
        return cv2.resize(crop[window.window], (columns, rows), interpolation=cv2.INTER_AREA)

    def _draw(self, gives: np.ndarray, own: frozenset[int], rng: np.random.Generator) -> tuple[int, int] | None:
        """A random person with anything to give, (M, n) bool, and which of it; None where there is nobody."""
        possible = np.flatnonzero(gives.any(1) & ~np.isin(self.ids, list(own)))
        if not len(possible):
            return None
        person = int(possible[rng.integers(len(possible))])
        what = np.flatnonzero(gives[person])
        return person, int(what[rng.integers(len(what))])
