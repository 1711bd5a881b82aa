"""How much of each person an attack hides (PROTOCOL section 10): share of the body's area, and number of keypoints."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..attacks import Attack, Occluders, Subject, person_rng, place, place_in_photo
from ..data.persons import Dataset, Person
from ..inference.predictions import CellPredictions, to_crop

GROWN = 6.0
"""Crop px by which the hull of the labelled keypoints is grown."""


def body_pixels(points: np.ndarray, size: tuple[int, int]) -> int:
    """Pixels of a crop within 6 px of the convex hull of keypoints; pixel centres lie at whole numbers.

    Args:
        points: Shape (N, 2), N at least 1, x y in crop px.
        size: Height and width of the crop, px.
    """
    scale = 16.0  # cv2's coordinates are 32-bit floats: whole sixteenths are exact
    hull = cv2.convexHull((np.rint(points * scale) / scale).astype(np.float32)).reshape(-1, 2).astype(np.float64)
    low = np.maximum(np.floor(hull.min(0) - GROWN), 0).astype(int)
    high = np.minimum(np.ceil(hull.max(0) + GROWN), (size[1] - 1, size[0] - 1)).astype(int)
    if (low > high).any():
        return 0
    x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    pixels = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    return int((_distance(pixels, hull) <= GROWN).sum())


def _distance(pixels: np.ndarray, hull: np.ndarray) -> np.ndarray:
    """Of each pixel, (P, 2), from a convex polygon, (N, 2): 0 inside. Shape (P,)."""
    nearest = np.full(len(pixels), np.inf)
    turns = []
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        side, along = b - a, pixels - a
        length = float(side @ side)
        t = np.clip(along @ side / length, 0, 1) if length else np.zeros(len(pixels))
        nearest = np.minimum(nearest, ((along - t[:, None] * side) ** 2).sum(1))
        turns.append(side[0] * along[:, 1] - side[1] * along[:, 0])
    turned = np.array(turns)
    inside = ((turned >= 0).all(0) | (turned <= 0).all(0)) & (len(hull) > 2)
    return np.where(inside, 0.0, np.sqrt(nearest))


class Shares:
    """Finds how much of each box's person is hidden, from the boxes and the annotations alone.

    Under fill ``object`` the hidden pixels are those that were counted when the crops were attacked.

    Args:
        dataset: Whose persons.
        geometry: Shape (N, 5), of the crops.
        size: Width and height of a crop, px.
        protocol: Of the regions.
        seed: Of random placements.
        scope: ``person`` or ``image``.
    """

    def __init__(
        self, dataset: Dataset, geometry: np.ndarray, size: tuple[int, int], protocol: str, seed: int, scope: str
    ) -> None:
        self._persons, self._skeleton = dataset.persons, dataset.skeleton
        self._geometry, self._size = geometry, (size[1], size[0])
        self._protocol, self._seed, self._scope = protocol, seed, scope
        points = np.array([person.keypoints for person in dataset.persons], np.float64)
        self._points = to_crop(points, geometry, size)
        self._body = np.array(
            [
                body_pixels(found[person.labelled], self._size) if person.labelled.any() else 0
                for person, found in zip(dataset.persons, self._points, strict=True)
            ]
        )
        self._photos: dict[int, list[int]] = {}
        for i, person in enumerate(dataset.persons):
            self._photos.setdefault(person.photo.id, []).append(i)

    def of(self, cell: CellPredictions) -> np.ndarray:
        """The share of each person that is hidden, (N,) float64: hidden pixels of the crop over those of the body.

        It can be above 1, since a region can reach beyond the body. NaN for who was not attacked.
        """
        if cell.attack is None:
            return np.full(len(cell), np.nan)
        who = np.flatnonzero(cell.attacked & (self._body > 0))
        shares = np.full(len(cell), np.nan)
        if cell.attack.fill == "object":
            shares[who] = cell.pixels[who, 0] / self._body[who]
            return np.where(shares > 0, shares, np.nan)
        plain = replace(cell.attack, fill="blackout")
        if self._scope == "image":
            for rows in self._photos.values():
                photo = self._persons[rows[0]].photo
                if cell.attacked[rows].any() and photo.width and photo.height:
                    shares[rows] = self._in_photo(plain, rows)
            shares[~cell.attacked] = np.nan
            return shares
        for i in who.tolist():
            shares[i] = self._in_crop(plain, i).mask(self._size).sum() / self._body[i]
        return shares

    def _in_crop(self, attack: Attack, i: int) -> Occluders:
        person, skeleton = self._persons[i], self._skeleton
        if person.annotation is None:
            return Occluders()
        rng = person_rng(self._seed, person.annotation, attack.level, attack.target)
        return place(attack, skeleton, self._points[i], person.labelled, self._size, self._protocol, rng)

    def _in_photo(self, attack: Attack, rows: list[int]) -> np.ndarray:
        """Of the boxes of one photo, in which everybody with a box is hidden: the shares."""
        photo = self._persons[rows[0]].photo
        size = (photo.height, photo.width)
        subjects = [_subject(self._persons[i], self._scale(i), self._size) for i in rows if self._labelled(i)]
        hidden = np.zeros(size, bool)
        for found in place_in_photo(size, subjects, attack, self._skeleton, self._seed, None, self._protocol):
            hidden |= found.mask(size)
        shares = []
        for i in rows:
            centre, box = self._geometry[i, :2], self._geometry[i, 2:4]
            low = np.maximum(np.ceil(centre - box / 2), 0).astype(int)
            high = np.maximum(np.floor(centre + box / 2), 0).astype(int)
            pixels = hidden[low[1] : high[1], low[0] : high[0]].sum() / self._scale(i) ** 2
            shares.append(pixels / self._body[i] if self._body[i] else np.nan)
        return np.array(shares)

    def _labelled(self, i: int) -> bool:
        return self._persons[i].annotation is not None and bool(self._persons[i].labelled.any())

    def _scale(self, i: int) -> float:
        return float(self._geometry[i, 2]) / self._size[1]


def _subject(person: Person, scale: float, size: tuple[int, int]) -> Subject:
    annotation = -1 if person.annotation is None else person.annotation
    return Subject(annotation, person.keypoints.astype(np.float64), person.labelled, scale, np.zeros(3, np.uint8), size)
