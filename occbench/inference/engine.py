"""Persons x attacks -> predictions, in one pass over the photos.

Persons are taken in chunks of whole photos. Each photo of a chunk is decoded and each crop warped once; then every
attack is applied to the chunk's crops, or with scope image to its photos, which stay decoded for so long. Only crops
that an attack changes are inferred (byte equality decides); the others take the clean prediction. What stands together
in a batch depends on the persons, the attack and the batch size alone, never on what else is computed: resumed and
shared work gives the same bytes. Crops are cut and attacked in threads a few steps ahead of the model, and a GPU has
the next batches queued while finished ones are decoded and written; memory grows neither with the persons nor with the
attacks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

import numpy as np

from ..attacks import DRAWN_FILLS, Attack, Draw, Material, Occluders, Skeleton, content_rng, occlude, person_rng, place
from ..data.persons import Person
from ..estimators.crops import Crop, CropPipeline
from ..estimators.protocol import CropEstimator, Poses
from .material import material_of
from .plan import Chunk, Settings, chunks, plan
from .pool import Pool
from .predictions import GEOMETRY, CellPredictions
from .scenes import People, Seen, cut_scenes, hide_in_photo

Advance = Callable[[int], None]

STRETCH = 32
"""Persons whose photos a thread decodes and cuts at a time."""

NOTHING_DRAWN = np.random.default_rng(0)
"""Stands for a person's generator where an attack draws nothing."""


class Sink(Protocol):
    """Where predictions go, a chunk of a cell at a time, and what is there of an earlier run."""

    def has(self, attack: Attack | None, chunk: Chunk) -> bool:
        """Whether a chunk of a cell is there already."""

    def clean(self, chunk: Chunk) -> CellPredictions:
        """The clean predictions of a chunk that is there."""

    def geometry(self, chunk: Chunk) -> np.ndarray:
        """What was put beside them: shape (n, 5), float32, columns ``GEOMETRY``."""

    def put(self, chunk: Chunk, piece: CellPredictions, geometry: np.ndarray | None = None) -> None:
        """Take a finished piece; with the crops' geometry where it is clean."""


def attack_crop(
    crop: Crop, attack: Attack, skeleton: Skeleton, protocol: str, seed: int, material: Material | None = None
) -> tuple[np.ndarray, Occluders]:
    """The crop under an attack, (h, w, 3) uint8, and what was painted; the crop's own image where nothing was.

    Without ``material`` there are the drawn cut-outs, and no other persons.
    """
    person = crop.person
    if person.annotation is None:
        return crop.image, Occluders()
    draws = attack.placement.kind != "centred"  # a generator takes as long as painting
    rng = person_rng(seed, person.annotation, attack.level, attack.target) if draws else NOTHING_DRAWN
    size = (crop.image.shape[0], crop.image.shape[1])
    draw = None
    if attack.fill in DRAWN_FILLS:  # a generator costs as much as a disc
        own = frozenset({person.annotation})
        draw = Draw(material or Material(), content_rng(seed, person.annotation, attack), own, size)
    occluders = place(attack, skeleton, crop.keypoints, person.labelled, size, protocol, rng, crop.canvas, draw)
    return occlude(crop.image, occluders, attack, protocol, crop.canvas), occluders


def run_cells(
    model: CropEstimator,
    persons: Sequence[Person],
    attacks: Sequence[Attack],
    skeleton: Skeleton,
    settings: Settings,
    sink: Sink,
    advance: Advance = lambda pairs: None,
    people: People | None = None,
    material: Material | None = None,
) -> None:
    """Predict every person clean and under every attack, but for what the sink has already.

    Args:
        model: The estimator.
        persons: Whom; photo by photo, so that each photo is decoded once.
        attacks: What is hidden.
        skeleton: The data set's keypoints and parts.
        settings: How.
        sink: Takes the predictions, chunk by chunk.
        advance: Called with the number of (person, cell) pairs that are done.
        people: For scope image, whom an attack hides in each photo.
        material: What the fills beyond the thesis are made of; None for that of these persons.

    Raises:
        ValueError: Scope image is asked for under protocol thesis, which has no such rules for crops.
    """
    if (settings.scope, settings.protocol) == ("image", "thesis"):
        raise ValueError("protocol thesis hides one person in their crop: it has no scope image")
    stuff = material or material_of(persons, model.crops, skeleton, settings.seed, settings.cutouts)
    work: list[tuple[Chunk, list[Attack]]] = []
    for chunk in plan(persons, settings)[settings.rank :: settings.ranks]:
        missing = [attack for attack in attacks if not sink.has(attack, chunk)]
        has_clean = sink.has(None, chunk)
        advance(len(chunk) * (len(attacks) - len(missing) + has_clean))
        if missing or not has_clean:
            work.append((chunk, missing))

    def cut(part: Sequence[Person]) -> _View:
        return _view(model.crops, part, skeleton, settings, people or {}, stuff)

    def asked(pool: Pool) -> Iterator[tuple[Chunk, _View, Attack | None]]:
        parts = [[persons[chunk.rows][part.rows] for part in chunks(persons[chunk.rows], STRETCH)] for chunk, _ in work]
        views = pool.ahead(cut, chain.from_iterable(parts), depth=max(map(len, parts), default=0))  # those of a chunk
        for (chunk, missing), own in zip(work, parts, strict=True):
            view = _joined([next(views) for _ in own])
            if not sink.has(None, chunk):
                yield chunk, view, None
            for attack in missing:
                yield chunk, view, attack

    def made(item: tuple[Chunk, _View, Attack | None]) -> _Piece:
        chunk, view, attack = item
        if attack is None:
            return _clean_piece(chunk, view, skeleton, model)
        return _hide(chunk, view, attack, skeleton, model)

    def pieces(pool: Pool) -> Iterator[_Piece]:
        known: tuple[Chunk, CellPredictions] | None = None
        for piece in pool.ahead(made, asked(pool), depth=settings.workers + 1):
            if piece.cell.attack is None:
                known = piece.chunk, piece.cell
                yield piece
                continue
            if known is None or known[0] is not piece.chunk:
                known = piece.chunk, sink.clean(piece.chunk)
            yield replace(piece, clean=known[1])

    with Pool(settings.workers) as pool:
        for piece in _predicted(model, pieces(pool), settings.batch_size):
            sink.put(piece.chunk, piece.cell, piece.geometry)
            advance(len(piece.chunk))


@dataclass(frozen=True, eq=False)
class _Piece:
    """A chunk of a cell, ready to be inferred.

    Attributes:
        chunk: Which.
        cell: Room for the predictions.
        images: Shape (m, h, w, 3), uint8, BGR: the crops that the attack changed; of the clean cell, all.
        changed: Whose they are: m positions in the chunk.
        crops: Of the chunk, without an attack.
        geometry: Of the clean cell: of the crops, (n, 5), float32.
        clean: Of any other: the clean predictions, which are there before its own.
    """

    chunk: Chunk
    cell: CellPredictions
    images: np.ndarray
    changed: list[int]
    crops: Sequence[Crop]
    geometry: np.ndarray | None = None
    clean: CellPredictions | None = None


def _predicted(model: CropEstimator, pieces: Iterable[_Piece], batch_size: int) -> Iterator[_Piece]:
    """The pieces with their predictions filled in, in order; batches of the next ones may be under way."""
    waiting: deque[tuple[_Piece, list[tuple[list[int], Callable[[], Poses]]]]] = deque()
    under_way = 0
    for piece in pieces:
        batches = []
        for start in range(0, len(piece.changed), batch_size):
            rows = piece.changed[start : start + batch_size]
            images = piece.images[start : start + batch_size]
            batches.append((rows, model.start(images, [piece.crops[i] for i in rows])))
        waiting.append((piece, batches))
        under_way += len(batches)
        while waiting and (under_way > model.ahead or not waiting[0][1]):
            under_way -= len(waiting[0][1])
            yield _filled(*waiting.popleft())
    while waiting:
        yield _filled(*waiting.popleft())


def _filled(piece: _Piece, batches: Sequence[tuple[list[int], Callable[[], Poses]]]) -> _Piece:
    if piece.clean is not None:
        piece.cell.keypoints[:], piece.cell.scores[:] = piece.clean.keypoints, piece.clean.scores
        piece.cell.stages[:] = piece.clean.stages
        if piece.clean.visibility.shape[1]:  # an older occbench kept none
            piece.cell.visibility[:] = piece.clean.visibility
    for rows, wait in batches:
        found = wait()
        piece.cell.keypoints[rows], piece.cell.scores[rows] = found.keypoints, found.scores
        if found.earlier is not None:
            piece.cell.stages[rows] = found.earlier
        if found.visibility is not None:
            piece.cell.visibility[rows] = found.visibility
    return piece


def _clean_piece(chunk: Chunk, view: _View, skeleton: Skeleton, model: CropEstimator) -> _Piece:
    crops = view.crops
    cell = CellPredictions.empty(None, len(crops), len(skeleton.keypoints), model.earlier, bool(model.visibility))
    geometry = np.array(
        [(*crop.center, *crop.scale, torso(crop, skeleton)) for crop in crops], dtype=np.float32
    ).reshape(len(crops), len(GEOMETRY))
    images = model.stack([crop.image for crop in crops])
    return _Piece(chunk, cell, images, list(range(len(crops))), crops, geometry)


def torso(crop: Crop, skeleton: Skeleton) -> float:
    """Crop px between the middle of the shoulders and that of the hips; NaN where one of the four is not labelled."""
    names = [f"{side}_{joint}" for joint in ("shoulder", "hip") for side in ("left", "right")]
    if not set(names) <= set(skeleton.keypoints):
        return np.nan
    members = [skeleton.keypoints.index(name) for name in names]
    if not crop.person.labelled[members].all():
        return np.nan
    shoulders, hips = crop.keypoints[members].reshape(2, 2, 2).mean(1)
    return float(np.hypot(*(shoulders - hips)))


@dataclass(frozen=True, eq=False)
class _View:
    """The crops of a chunk.

    Attributes:
        crops: Without an attack.
        under: What each of them becomes under an attack.
    """

    crops: list[Crop]
    under: Callable[[Attack], Iterable[Seen]]


def _joined(views: Sequence[_View]) -> _View:
    """Of stretches of a chunk."""
    crops = [crop for view in views for crop in view.crops]
    return _View(crops, lambda attack: chain.from_iterable(view.under(attack) for view in views))


def _view(
    pipeline: CropPipeline,
    persons: Sequence[Person],
    skeleton: Skeleton,
    settings: Settings,
    people: People,
    material: Material,
) -> _View:
    if settings.scope == "person":
        crops = list(pipeline.cut_all(persons))
        return _View(crops, lambda a: (_see(crop, a, skeleton, settings, material) for crop in crops))
    scenes = list(cut_scenes(pipeline, persons, people))
    return _View(
        [crop for scene in scenes for crop in scene.crops],
        lambda a: chain.from_iterable(
            hide_in_photo(scene, a, skeleton, settings.seed, pipeline, material) for scene in scenes
        ),
    )


def _see(crop: Crop, attack: Attack, skeleton: Skeleton, settings: Settings, material: Material) -> Seen:
    image, occluders = attack_crop(crop, attack, skeleton, settings.protocol, settings.seed, material)
    centres = np.array([region.centre for region in occluders.regions], dtype=np.float64).reshape(-1, 2)
    pixels = (0.0, 0.0)
    if attack.fill == "object":
        pixels = float(occluders.mask((image.shape[0], image.shape[1])).sum()), float(occluders.beyond)
    return Seen(image, occluders.cover(crop.keypoints), centres, occluders.true, occluders.missing, pixels)


def _hide(chunk: Chunk, view: _View, attack: Attack, skeleton: Skeleton, model: CropEstimator) -> _Piece:
    room = len(view.crops), len(skeleton.keypoints), model.earlier, bool(model.visibility)
    cell = CellPredictions.empty(attack, *room)
    images: list[np.ndarray] = []
    changed: list[int] = []
    for i, (crop, seen) in enumerate(zip(view.crops, view.under(attack), strict=True)):
        cell.missing[i] = seen.missing
        if np.array_equal(seen.image, crop.image):
            continue
        cell.attacked[i] = True
        cell.pixels[i] = seen.pixels
        cell.covered[i] = seen.covered & crop.person.labelled
        first = 1 - seen.true  # the first place is the target's
        cell.centres[i, first : first + len(seen.centres)] = seen.centres
        images.append(seen.image)
        changed.append(i)
    return _Piece(chunk, cell, model.stack(images) if images else np.empty(0, np.uint8), changed, view.crops)


class Memory:
    """A sink that keeps everything: for a handful of cells."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[Attack | None, int], CellPredictions] = {}
        self._geometry: dict[int, np.ndarray] = {}

    def has(self, attack: Attack | None, chunk: Chunk) -> bool:
        """See :class:`Sink`."""
        return (attack, chunk.index) in self._pieces

    def clean(self, chunk: Chunk) -> CellPredictions:
        """See :class:`Sink`."""
        return self._pieces[None, chunk.index]

    def geometry(self, chunk: Chunk) -> np.ndarray:
        """See :class:`Sink`."""
        return self._geometry[chunk.index]

    def put(self, chunk: Chunk, piece: CellPredictions, geometry: np.ndarray | None = None) -> None:
        """See :class:`Sink`."""
        self._pieces[piece.attack, chunk.index] = piece
        if geometry is not None:
            self._geometry[chunk.index] = geometry

    def joined(self, pieces: Sequence[Chunk], attacks: Sequence[Attack]) -> tuple[list[CellPredictions], np.ndarray]:
        """The clean cell and one per attack, and the crops' geometry, of all chunks."""
        cells = [CellPredictions.joined([self._pieces[a, chunk.index] for chunk in pieces]) for a in (None, *attacks)]
        return cells, np.concatenate([self.geometry(chunk) for chunk in pieces])


def predict_cells(
    model: CropEstimator,
    persons: Sequence[Person],
    attacks: Sequence[Attack],
    skeleton: Skeleton,
    settings: Settings | None = None,
    people: People | None = None,
) -> tuple[list[CellPredictions], np.ndarray]:
    """:func:`run_cells` in memory: the clean cell and one cell per attack, and the crops' geometry (N, 5)."""
    sink, settings = Memory(), settings or Settings()
    run_cells(model, persons, attacks, skeleton, settings, sink, people=people)
    return sink.joined(plan(persons, settings), attacks)
