"""Persons x attacks -> predictions, in one pass over the photos.

Persons are taken in chunks. Each photo of a chunk is decoded and each crop warped once; then every attack is applied
to the chunk's crops. Only crops that an attack changes are inferred (byte equality decides); the others take the clean
prediction. What stands together in a batch depends on the cell alone, never on what else is computed, and memory does
not grow with the number of attacks but for the predictions themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..attacks import Attack, Occluders, Skeleton, occlude, person_rng, place
from ..data.persons import Person
from .crops import Crop
from .model import PoseModel

CHUNK = 256
"""Persons whose crops are held at a time (256 x 192: 38 MB)."""

Advance = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class CellPredictions:
    """What the model said about every person under one attack.

    Attributes:
        attack: The attack; None for the clean cell.
        keypoints: Shape (N, K, 2), float32, image px, in the order of the persons.
        scores: Shape (N, K), float32.
        attacked: Shape (N,), bool: whose crop the attack changed.
        covered: Shape (N, K), bool: keypoints that lie in the painted region.
        missing: Shape (N,), int: decoys or placebos that did not fit on the person.
    """

    attack: Attack | None
    keypoints: np.ndarray
    scores: np.ndarray
    attacked: np.ndarray
    covered: np.ndarray
    missing: np.ndarray

    @classmethod
    def empty(cls, attack: Attack | None, persons: int, keypoints: int) -> CellPredictions:
        """Room for the predictions of a cell, nobody attacked."""
        return cls(
            attack,
            np.zeros((persons, keypoints, 2), np.float32),
            np.zeros((persons, keypoints), np.float32),
            np.zeros(persons, bool),
            np.zeros((persons, keypoints), bool),
            np.zeros(persons, np.int64),
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a run.

    Attributes:
        cells: The clean cell, then one cell per attack, in order.
        areas: Shape (N,), float64: of the padded boxes the crops were cut from, image px squared.
        crops: The crops that were asked to be kept, by the person's position.
    """

    cells: list[CellPredictions]
    areas: np.ndarray
    crops: dict[int, Crop]


def attack_crop(
    crop: Crop, attack: Attack, skeleton: Skeleton, protocol: str, seed: int
) -> tuple[np.ndarray, Occluders]:
    """The crop under an attack, (h, w, 3) uint8, and what was painted; the crop's own image where nothing was."""
    person = crop.person
    if person.annotation is None:
        return crop.image, Occluders()
    rng = person_rng(seed, person.annotation, attack.level, attack.target)
    size = (crop.image.shape[0], crop.image.shape[1])
    occluders = place(attack, skeleton, crop.keypoints, person.labelled, size, protocol, rng)
    return occlude(crop.image, occluders, attack, protocol), occluders


def _chunks(n: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, n)) for start in range(0, n, size))


def run_cells(
    model: PoseModel,
    persons: Sequence[Person],
    attacks: Sequence[Attack],
    skeleton: Skeleton,
    protocol: str = "corrected",
    seed: int = 0,
    batch_size: int = 32,
    keep: Collection[int] = (),
    advance: Advance = lambda crops: None,
) -> Predictions:
    """Predict every person clean and under every attack.

    Args:
        model: The estimator.
        persons: Whom; photo by photo, so that each photo is decoded once.
        attacks: What is hidden.
        skeleton: The data set's keypoints and parts.
        protocol: ``"corrected"`` or ``"thesis"``.
        seed: Of the random placements.
        batch_size: Crops inferred at a time.
        keep: Positions of the persons whose crops are wanted afterwards.
        advance: Called with the number of (person, cell) pairs that are done.
    """
    k = len(skeleton.keypoints)
    cells = [CellPredictions.empty(attack, len(persons), k) for attack in (None, *attacks)]
    clean = cells[0]
    areas = np.zeros(len(persons))
    kept: dict[int, Crop] = {}
    for chunk in _chunks(len(persons), CHUNK):
        crops = list(model.crops.cut_all(persons[i] for i in chunk))
        areas[chunk.start : chunk.stop] = [crop.scale.prod() for crop in crops]
        kept.update((i, crop) for i, crop in zip(chunk, crops, strict=True) if i in keep)
        for batch in _chunks(len(crops), batch_size):
            found = model.predict([crops[i].image for i in batch], [crops[i] for i in batch])
            rows = slice(chunk.start + batch.start, chunk.start + batch.stop)
            clean.keypoints[rows], clean.scores[rows] = found
            advance(len(batch))
        for cell in cells[1:]:
            _run_chunk(model, crops, chunk, cell, clean, skeleton, protocol, seed, batch_size, advance)
    return Predictions(cells, areas, kept)


def _run_chunk(
    model: PoseModel,
    crops: Sequence[Crop],
    chunk: range,
    cell: CellPredictions,
    clean: CellPredictions,
    skeleton: Skeleton,
    protocol: str,
    seed: int,
    batch_size: int,
    advance: Advance,
) -> None:
    """Fill the rows of ``chunk`` in ``cell``."""
    assert cell.attack is not None
    rows = slice(chunk.start, chunk.stop)
    cell.keypoints[rows], cell.scores[rows] = clean.keypoints[rows], clean.scores[rows]
    images: list[np.ndarray] = []
    changed: list[int] = []

    def flush() -> None:
        found = model.predict(images, [crops[i] for i in changed])
        at = np.array(changed) + chunk.start
        cell.keypoints[at], cell.scores[at] = found
        advance(len(changed))
        images.clear()
        changed.clear()

    for i, crop in enumerate(crops):
        image, occluders = attack_crop(crop, cell.attack, skeleton, protocol, seed)
        row = chunk.start + i
        cell.missing[row] = occluders.missing
        if np.array_equal(image, crop.image):
            advance(1)
            continue
        cell.attacked[row] = True
        cell.covered[row] = occluders.cover(crop.keypoints) & crop.person.labelled
        images.append(image)
        changed.append(i)
        if len(images) == batch_size:
            flush()
    if images:
        flush()
