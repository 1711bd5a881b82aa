"""How cells are computed, and in which stretches of whole photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..attacks import Cutouts
from ..data.persons import Person

BATCHES_PER_CHUNK = 4
"""Batches that the crops of a chunk fill (64 crops of 256 x 192: 9 MB)."""

PHOTO_PIXELS = 2**25
"""With scope image, pixels that the photos of a chunk have (96 MiB), or one photo alone more."""

SCOPES = ("person", "image")
"""Who is hidden: the person in the crop, or every labelled person of the photo, in the photo (PROTOCOL section 7)."""


@dataclass(frozen=True)
class Chunk:
    """A stretch of persons that is predicted in one go: whole photos.

    Attributes:
        index: Its number.
        start: Its first person.
        stop: One past its last person.
        images: The ids of its photos, where estimators see whole photos: some may have no person.
    """

    index: int
    start: int
    stop: int
    images: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """Its persons, as rows of a cell."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Settings:
    """How cells are computed.

    Attributes:
        protocol: ``"corrected"`` or ``"thesis"``.
        seed: Of the random placements.
        batch_size: Crops inferred at a time.
        workers: Threads that cut and attack crops ahead of the model; 0 does it in between.
        rank: Which share of the chunks is computed here.
        ranks: Of how many shares.
        scope: One of :data:`SCOPES`.
        cutouts: What fill ``object`` paints; None for the drawn ones.

    Raises:
        ValueError: The scope is unknown.
    """

    protocol: str = "corrected"
    seed: int = 0
    batch_size: int = 16
    workers: int = 1
    rank: int = 0
    ranks: int = 1
    scope: str = "person"
    cutouts: Cutouts | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"unknown scope {self.scope!r}; it is one of {', '.join(SCOPES)}")


def chunks(persons: Sequence[Person], size: int, pixels: float = math.inf) -> list[Chunk]:
    """Split persons into chunks, never in the middle of a photo.

    Args:
        persons: Photo by photo.
        size: A chunk ends with the photo that gives it so many persons; the last may have fewer.
        pixels: A chunk ends, too, before the photo that would give its photos more pixels than this.
    """
    found: list[Chunk] = []
    start, held = 0, 0
    for i in range(1, len(persons) + 1):
        last = i == len(persons)
        if not last and persons[i].photo is persons[i - 1].photo:
            continue
        held += _pixels(persons[i - 1])
        if last or i - start >= size or held + _pixels(persons[i]) > pixels:
            found.append(Chunk(len(found), start, i))
            start, held = i, 0
    return found


def _pixels(person: Person) -> int:
    return person.photo.width * person.photo.height


def plan(persons: Sequence[Person], settings: Settings) -> list[Chunk]:
    """The chunks in which persons are predicted; they depend on neither rank nor ranks."""
    pixels = PHOTO_PIXELS if settings.scope == "image" else math.inf
    return chunks(persons, BATCHES_PER_CHUNK * settings.batch_size, pixels)
