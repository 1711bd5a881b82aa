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
    top, bottom = hull[:, 1].min() - GROWN, hull[:, 1].max() + GROWN
    rows = np.arange(max(0, np.ceil(top)), min(size[0] - 1, np.floor(bottom)) + 1)
    low, high = _ends_of_rows(hull, rows)
    first, last = np.maximum(np.ceil(low - 1e-9), 0), np.minimum(np.floor(high + 1e-9), size[1] - 1)
    return int(np.fmax(last - first + 1, 0).sum())


def _ends_of_rows(hull: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rows of a crop enter and leave a grown convex polygon, (N, 2), crop px: x, shape (rows,); NaN: nowhere.

    The border of the grown polygon lies on discs around its corners and on its edges moved outwards, and neither
    reaches beyond it.
    """
    y = rows[:, None]
    side = np.roll(hull, -1, axis=0) - hull
    with np.errstate(invalid="ignore", divide="ignore"):
        reach = np.sqrt(GROWN**2 - (y - hull[:, 1]) ** 2)
        across = [hull[:, 0] - reach, hull[:, 0] + reach]
        outwards = GROWN * np.stack([side[:, 1], -side[:, 0]], axis=1) / np.hypot(*side.T)[:, None]
        for start in (hull + outwards, hull - outwards):
            along = (y - start[:, 1]) / side[:, 1]
            across.append(np.where((along >= 0) & (along <= 1), start[:, 0] + along * side[:, 0], np.nan))
    crossings = np.concatenate(across, axis=1)
    return np.fmin.reduce(crossings, axis=1), np.fmax.reduce(crossings, axis=1)


def regions_of(attack: Attack) -> Attack:
    """An attack that stands for all with the same regions."""
    return replace(attack, fill="blackout")


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

    def under(self, attack: Attack) -> np.ndarray:
        """The share of each person that the regions of an attack hide, (N,) float64; NaN for whom nothing is told of.

        It can be above 1, since a region can reach beyond the body. What the regions are filled with does not matter;
        objects are no such regions.
        """
        plain = regions_of(attack)
        shares = np.full(len(self._persons), np.nan)
        if self._scope == "image":
            for rows in self._photos.values():
                photo = self._persons[rows[0]].photo
                if photo.width and photo.height:
                    shares[rows] = self._in_photo(plain, rows)
            return shares
        for i in np.flatnonzero(self._body > 0).tolist():
            shares[i] = self._in_crop(plain, i).pixels(self._size) / self._body[i]
        return shares

    def of(self, cell: CellPredictions, under: np.ndarray) -> np.ndarray:
        """The share of each person of a cell that is hidden, (N,) float64; NaN for who was not attacked.

        Args:
            cell: The predictions.
            under: Of :meth:`under` its attack; not looked at under fill ``object``.
        """
        attacked = cell.attacked & (self._body > 0)
        if cell.attack is not None and cell.attack.fill == "object":
            shares = np.divide(cell.pixels[:, 0], self._body, out=np.full(len(cell), np.nan), where=attacked)
            return np.where(shares > 0, shares, np.nan)
        return np.where(attacked, under, np.nan)

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
