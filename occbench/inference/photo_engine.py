"""Photos x attacks -> predictions, for estimators that see whole photos (PROTOCOL section 9).

As :mod:`.engine`, with photos in place of crops: they are taken in chunks, each is decoded once, every labelled person
of it is painted, and only photos that an attack changes are inferred; of the others the clean predictions are taken.
Photos are painted and prepared in threads a few steps ahead of the model. Each person's reference crop says what an
attack's sizes mean and whether the attack changed anything about that person.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ..attacks import Attack, Material, Skeleton
from ..data.persons import Dataset, Person, Photo
from ..data.photos import decode
from ..estimators.crops import CropPipeline
from ..estimators.protocol import PhotoEstimator, PhotoInput, PhotoPoses
from ..evaluation.owners import owners
from ..evaluation.types import Detections, GroundTruth
from .engine import Advance, Memory, Sink, torso
from .material import material_of
from .plan import BATCHES_PER_CHUNK, PHOTO_PIXELS, Chunk, Settings
from .pool import Pool
from .predictions import PHOTO_GEOMETRY, CellPredictions, FoundPersons
from .scenes import People, Scene, paint, seen_in, subjects_of

Prepare: TypeAlias = Callable[[np.ndarray], PhotoInput]
"""Makes of a photo, (H, W, 3), uint8, BGR, what its estimator wants."""

LEAST_PHOTOS = 8
"""Photos of a chunk, where the batches are so small that four of them would be less."""


def plan_photos(dataset: Dataset, settings: Settings) -> list[Chunk]:
    """The chunks in which all photos of a data set are predicted, with and without persons; they depend on no rank.

    Raises:
        ValueError: The persons are not in the order of the photos.
    """
    counts = dict.fromkeys(dataset.photos, 0)
    for person in dataset.persons:
        counts[person.photo.id] += 1
    if [p.photo.id for p in dataset.persons] != [image for image, n in counts.items() for _ in range(n)]:
        raise ValueError("persons must come photo by photo, in the order of the photos")
    most = max(LEAST_PHOTOS, BATCHES_PER_CHUNK * settings.batch_size)
    found: list[Chunk] = []
    images: list[int] = []
    start = held = 0
    for image, photo in dataset.photos.items():
        pixels = photo.width * photo.height
        if images and (len(images) == most or held + pixels > PHOTO_PIXELS):
            stop = start + sum(counts[i] for i in images)
            found.append(Chunk(len(found), start, stop, tuple(images)))
            images, start, held = [], stop, 0
        images.append(image)
        held += pixels
    return [*found, Chunk(len(found), start, len(dataset.persons), tuple(images))]


def run_photos(
    model: PhotoEstimator,
    reference: CropPipeline,
    dataset: Dataset,
    attacks: Sequence[Attack],
    settings: Settings,
    sink: Sink,
    advance: Advance = lambda photos: None,
) -> None:
    """Predict every photo clean and under every attack, but for what the sink has already.

    Args:
        model: The estimator.
        reference: Cuts the persons' reference crops (:mod:`occbench.estimators.reference`).
        dataset: Photos, and the persons in them in their annotated boxes.
        attacks: What is hidden.
        settings: How; the batch size is that of photos.
        sink: Takes the predictions, chunk by chunk.
        advance: Called with the number of (photo, cell) pairs that are done.
    """
    work: list[tuple[Chunk, list[Attack]]] = []
    for chunk in plan_photos(dataset, settings)[settings.rank :: settings.ranks]:
        missing = [attack for attack in attacks if not sink.has(attack, chunk)]
        has_clean = sink.has(None, chunk)
        advance(len(chunk.images) * (len(attacks) - len(missing) + has_clean))
        if missing or not has_clean:
            work.append((chunk, missing))
    people, skeleton = dataset.people(), dataset.skeleton
    material = material_of(dataset.persons, reference, skeleton, settings.seed, settings.cutouts)

    def look(item: tuple[Chunk, list[Attack]]) -> View:
        return view_of(reference, dataset, item[0], people)

    def pieces(pool: Pool) -> Iterator[tuple[Piece, View]]:
        for (chunk, missing), view in zip(work, pool.ahead(look, work, depth=1), strict=True):
            clean: CellPredictions | None = None
            if not sink.has(None, chunk):
                piece = clean_piece(view, skeleton, model.prepare)
                yield piece, view
                clean = piece.cell  # filled by now

            def painted(attack: Attack, view: View = view) -> Piece:
                return hide(view, attack, skeleton, settings, reference, model.prepare, material)

            for piece in pool.ahead(painted, missing, depth=settings.workers + 1):
                if clean is None:
                    clean = sink.clean(chunk)
                yield replace(piece, clean=clean), view

    with Pool(settings.workers) as pool:
        for piece, view in pieces(pool):
            poses, regrouped = _predicted(model, piece.inputs, settings.batch_size, view)
            piece.fill(everybody(poses, piece, view), regrouped_persons(regrouped, piece, view))
            sink.put(view.chunk, piece.cell, piece.geometry)
            advance(len(view.chunk.images))


@dataclass(frozen=True, eq=False)
class View:
    """The photos of a chunk, decoded.

    Attributes:
        chunk: Which.
        scenes: One per photo, with the reference crops of its persons.
        truth: The annotated persons of these photos.
        row: By annotation id the place of its person in the chunk.
        sigmas: Shape (K,).
    """

    chunk: Chunk
    scenes: Sequence[Scene]
    truth: GroundTruth
    row: dict[int, int]
    sigmas: np.ndarray


@dataclass(eq=False)
class Piece:
    """A chunk of a cell, ready to be inferred.

    Attributes:
        cell: Room for the predictions.
        inputs: By place in the chunk the photos that the attack changed; of the clean cell, all.
        geometry: Of the clean cell: of the reference crops, (n, 7), float32, columns ``PHOTO_GEOMETRY``.
        clean: Of any other: the clean predictions.
    """

    cell: CellPredictions
    inputs: dict[int, PhotoInput]
    geometry: np.ndarray | None = None
    clean: CellPredictions | None = None

    def fill(self, found: FoundPersons, regrouped: FoundPersons | None = None) -> None:
        """Take everybody who was found, and whom the same joints are under the true grouping."""
        keypoints, scores = found.by_person(len(self.cell))
        self.cell = replace(self.cell, keypoints=keypoints, scores=scores, found=found, regrouped=regrouped)


def view_of(reference: CropPipeline, dataset: Dataset, chunk: Chunk, people: People) -> View:
    persons = dataset.persons[chunk.rows]
    by_photo: dict[int, list[Person]] = {
        image: list(group) for image, group in groupby(persons, key=lambda person: person.photo.id)
    }
    scenes = [
        _scene(reference, dataset.photos[image], by_photo.get(image, ()), people.get(image, ()))
        for image in chunk.images
    ]
    row = {int(p.annotation): i for i, p in enumerate(persons) if p.annotation is not None}
    return View(chunk, scenes, _truth_of(dataset.truth, chunk.images), row, dataset.sigmas)


def _scene(reference: CropPipeline, photo: Photo, persons: Sequence[Person], people: Sequence[Person]) -> Scene:
    picture = decode(photo)
    crops = tuple(reference.cut(person, picture) for person in persons)
    return Scene(picture, crops, subjects_of(reference, picture, crops, people))


def _truth_of(truth: GroundTruth, images: Sequence[int]) -> GroundTruth:
    here = np.isin(truth.image, images)
    arrays = {
        name: getattr(truth, name)[here]
        for name in ("image", "keypoints", "visibility", "bbox", "area", "num_keypoints", "crowd", "ids")
    }
    return GroundTruth(image_ids=np.unique(images).astype(np.int64), **arrays)


def clean_piece(view: View, skeleton: Skeleton, prepare: Prepare) -> Piece:
    cell = CellPredictions.empty(None, len(view.row), len(skeleton.keypoints))
    inputs = {i: prepare(scene.picture) for i, scene in enumerate(view.scenes)}
    rows = []
    for i, scene in enumerate(view.scenes):
        for crop in scene.crops:
            px = float(crop.scale[0]) / crop.image.shape[1]
            rows.append((*crop.center, *crop.scale, torso(crop, skeleton), px, px * inputs[i].scale))
    geometry = np.array(rows, dtype=np.float32).reshape(len(rows), len(PHOTO_GEOMETRY))
    return Piece(cell, inputs, geometry)


def hide(
    view: View,
    attack: Attack,
    skeleton: Skeleton,
    settings: Settings,
    reference: CropPipeline,
    prepare: Prepare,
    material: Material,
) -> Piece:
    cell = CellPredictions.empty(attack, len(view.row), len(skeleton.keypoints))
    inputs: dict[int, PhotoInput] = {}
    at = 0
    for i, scene in enumerate(view.scenes):
        painted = paint(scene, attack, skeleton, settings.seed, material, settings.protocol)
        if painted.picture is not scene.picture and not np.array_equal(painted.picture, scene.picture):
            inputs[i] = prepare(painted.picture)
        for crop, seen in zip(scene.crops, seen_in(scene, painted, reference, attack), strict=True):
            cell.missing[at] = seen.missing
            if not np.array_equal(seen.image, crop.image):
                cell.attacked[at] = True
                cell.pixels[at] = seen.pixels
                cell.covered[at] = seen.covered & crop.person.labelled
                first = 1 - seen.true  # the first place is the target's
                cell.centres[at, first : first + len(seen.centres)] = seen.centres
            at += 1
    return Piece(cell, inputs)


def everybody(poses: Mapping[int, PhotoPoses], piece: Piece, view: View) -> FoundPersons:
    """Everybody in the photos of a chunk: found in those that are inferred, known of the others.

    Args:
        poses: By place in the chunk, of the photos that were inferred.
        piece: What they were inferred for.
        view: The chunk.
    """
    found = _photo_by_photo(poses, piece, view, None if piece.clean is None else piece.clean.found)
    return replace(found, person=_matched(found, view))


def regrouped_persons(poses: Mapping[int, PhotoPoses], piece: Piece, view: View) -> FoundPersons | None:
    """Likewise the persons under the true grouping, matched to nobody; None where the estimator does not group."""
    known = None if piece.clean is None else piece.clean.regrouped
    if known is None and (piece.clean is not None or not poses):
        return None
    return _photo_by_photo(poses, piece, view, known)


def _photo_by_photo(
    poses: Mapping[int, PhotoPoses], piece: Piece, view: View, known: FoundPersons | None
) -> FoundPersons:
    """Everybody of a chunk, of the photos that were not inferred those that are known."""
    k = piece.cell.scores.shape[1]
    parts = []
    for i, image in enumerate(view.chunk.images):
        if i in poses or known is None:  # of the clean cell all are inferred
            one = poses[i]
            parts.append(
                FoundPersons(
                    np.full(len(one), image, np.int64),
                    one.keypoints.reshape(-1, k, 2).astype(np.float32),
                    one.keypoint_scores.reshape(-1, k).astype(np.float32),
                    one.scores.astype(np.float32),
                    np.full(len(one), -1, np.int32),
                )
            )
        else:
            parts.append(known.some(known.image == image))
    found = FoundPersons.joined(parts)
    assert found is not None  # no chunk is without photos
    return found


def _predicted(
    model: PhotoEstimator, inputs: dict[int, PhotoInput], batch_size: int, view: View
) -> tuple[dict[int, PhotoPoses], dict[int, PhotoPoses]]:
    """By place: batches are of inputs that are alike, in the order of the photos; and the same, regrouped."""
    groups: dict[Hashable, list[int]] = {}
    for place, one in inputs.items():
        groups.setdefault(one.alike, []).append(place)
    found: dict[int, PhotoPoses] = {}
    regrouped: dict[int, PhotoPoses] = {}
    for places in groups.values():
        for start in range(0, len(places), batch_size):
            batch = places[start : start + batch_size]
            for place, poses in zip(batch, model.predict([inputs[place] for place in batch]), strict=True):
                if poses.regroup is not None:
                    regrouped[place] = poses.regroup(*_labelled(view, place))
                found[place] = replace(poses, regroup=None)
    return found, regrouped


def _labelled(view: View, place: int) -> tuple[np.ndarray, np.ndarray]:
    """The annotated persons of a photo that are no crowd: keypoints (N, K, 2), image px, and which are labelled."""
    truth = view.truth
    here = (truth.image == view.chunk.images[place]) & ~truth.crowd
    return truth.keypoints[here], truth.visibility[here] > 0


def _matched(found: FoundPersons, view: View) -> np.ndarray:
    """The row of the person that each was matched to, shape (D,), int32; -1 for nobody, or one without a row."""
    finite = np.isfinite(found.keypoints).all((1, 2)) & np.isfinite(found.scores)
    if not len(found) or not finite.all():  # the sink refuses what is not finite
        return np.full(len(found), -1, np.int32)
    detections = Detections(found.image, found.keypoints.astype(np.float64), found.scores.astype(np.float64))
    owner = owners(view.truth, detections, view.sigmas)
    rows = np.array([*(view.row.get(int(i), -1) for i in view.truth.ids), -1], dtype=np.int32)
    return rows[owner]


def predict_photos(
    model: PhotoEstimator,
    reference: CropPipeline,
    dataset: Dataset,
    attacks: Sequence[Attack],
    settings: Settings | None = None,
) -> tuple[list[CellPredictions], np.ndarray]:
    """:func:`run_photos` in memory: the clean cell and one per attack, and the reference crops' geometry (N, 7)."""
    sink, settings = Memory(), settings or Settings(batch_size=1, scope="image")
    run_photos(model, reference, dataset, attacks, settings, sink)
    return sink.joined(plan_photos(dataset, settings), attacks)
