"""Photos with everybody in them: what scope image hides, and what the crops then show (PROTOCOL section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..attacks import Attack, Material, Occluders, Skeleton, Subject, mean_colour, occlude_photo, place_in_photo
from ..data.persons import Person, Photo
from ..data.photos import decode
from ..estimators.crops import Crop, CropPipeline

People = Mapping[int, Sequence[Person]]
"""By image id the labelled persons of a photo, each in the box that they are seen through."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A crop under an attack.

    Attributes:
        image: Shape (h, w, 3), uint8, BGR; the crop's own image where nothing was painted.
        covered: Shape (K,), bool: keypoints of the person that lie in a painted region, labelled or not.
        centres: Shape (n, 2), float64, crop px: of the person's own occluders, that on the target first.
        true: How many of these (0 or 1) hide the target; the others are decoys or placebos.
        missing: How many decoys or placebos did not fit on the person.
        pixels: Crop px squared that objects hide of the crop, and of that how much beyond what they stand for.
    """

    image: np.ndarray
    covered: np.ndarray
    centres: np.ndarray
    true: int
    missing: int
    pixels: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """A decoded photo.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        crops: Of the boxes that are predicted.
        subjects: The labelled persons.
    """

    picture: np.ndarray
    crops: tuple[Crop, ...]
    subjects: tuple[Subject, ...]


def subject_of(crop: Crop) -> Subject:
    """The person of a crop, as an attack on the photo needs to know them.

    Raises:
        ValueError: The box stands for nobody.
    """
    person = crop.person
    if person.annotation is None:
        raise ValueError("a box that stands for nobody is no subject")
    scale = float(crop.scale[0]) / crop.image.shape[1] * crop.canvas
    points = person.keypoints.astype(np.float64)
    size = crop.image.shape[0] // crop.canvas, crop.image.shape[1] // crop.canvas
    return Subject(person.annotation, points, person.labelled, scale, mean_colour(crop.image), size)


def cut_scenes(pipeline: CropPipeline, persons: Sequence[Person], people: People) -> Iterator[Scene]:
    """The photos of ``persons`` in order, each decoded once.

    Args:
        pipeline: Cuts the crops.
        persons: The boxes that are predicted, photo by photo.
        people: Whom an attack hides.
    """
    for photo, group in groupby(persons, key=lambda person: person.photo):
        picture = decode(photo)
        crops = tuple(pipeline.cut(person, picture) for person in group)
        yield Scene(picture, crops, subjects_of(pipeline, picture, crops, people.get(photo.id, ())))


def subjects_of(
    pipeline: CropPipeline, picture: np.ndarray, crops: Sequence[Crop], people: Sequence[Person]
) -> tuple[Subject, ...]:
    """The labelled persons of a photo; those of ``crops`` are not cut again."""
    there = {id(crop.person): crop for crop in crops}
    return tuple(subject_of(there.get(id(person)) or pipeline.cut(person, picture)) for person in people)


def cut_subjects(
    pipeline: CropPipeline, photo: Photo, people: Sequence[Person]
) -> tuple[np.ndarray, tuple[Subject, ...]]:
    """A decoded photo, (H, W, 3) uint8 BGR, and the labelled persons of it."""
    picture = decode(photo)
    return picture, subjects_of(pipeline, picture, (), people)


@dataclass(frozen=True, eq=False)
class Painted:
    """A photo in which every labelled person is under an attack.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR; the photo itself where nothing was painted.
        placed: What was painted on each subject of the scene.
    """

    picture: np.ndarray
    placed: Sequence[Occluders]


def paint(
    scene: Scene,
    attack: Attack,
    skeleton: Skeleton,
    seed: int,
    material: Material | None = None,
    protocol: str = "corrected",
) -> Painted:
    """Put every labelled person of a photo under an attack.

    Args:
        scene: The photo.
        attack: What is hidden.
        skeleton: The data set's keypoints and parts.
        seed: Of random placements and contents.
        material: What the fills beyond the thesis are made of.
        protocol: Whose rules, as of :func:`~occbench.attacks.occlude_photo`.
    """
    size = (scene.picture.shape[0], scene.picture.shape[1])
    placed = place_in_photo(size, scene.subjects, attack, skeleton, seed, material, protocol)
    return Painted(occlude_photo(scene.picture, scene.subjects, placed, attack, protocol), placed)


def hide_in_photo(
    scene: Scene,
    attack: Attack,
    skeleton: Skeleton,
    seed: int,
    pipeline: CropPipeline,
    material: Material | None = None,
    protocol: str = "corrected",
) -> Iterator[Seen]:
    """The crops of a photo in which every labelled person is under an attack.

    Args:
        scene: The photo.
        attack: What is hidden.
        skeleton: The data set's keypoints and parts.
        seed: Of random placements and contents.
        pipeline: Cuts the crops out of the attacked photo, in the boxes of the clean one.
        material: What the fills beyond the thesis are made of.
        protocol: As of :func:`paint`.
    """
    yield from seen_in(scene, paint(scene, attack, skeleton, seed, material, protocol), pipeline, attack)


def seen_in(scene: Scene, painted: Painted, pipeline: CropPipeline, attack: Attack) -> Iterator[Seen]:
    """The crops of a photo under an attack; arguments as of :func:`paint` and :func:`hide_in_photo`."""
    picture, placed = painted.picture, painted.placed
    size = (scene.picture.shape[0], scene.picture.shape[1])
    everything = Occluders(tuple(region for found in placed for region in found.regions))
    hidden = everything.mask(size) if attack.fill == "object" else None
    of = {subject.id: found for subject, found in zip(scene.subjects, placed, strict=True)}
    for crop in scene.crops:
        person = crop.person
        own = of[person.annotation] if person.annotation in of else Occluders()
        centres = np.array([region.centre for region in own.regions], dtype=np.float64).reshape(-1, 2)
        yield Seen(
            crop.image if picture is scene.picture else pipeline.cut(person, picture).image,
            everything.cover(person.keypoints.astype(np.float64)),
            crop.to_crop(centres),
            own.true,
            own.missing,
            (0.0, 0.0) if hidden is None else _pixels(crop, hidden, own),
        )


def _pixels(crop: Crop, hidden: np.ndarray, own: Occluders) -> tuple[float, float]:
    """What objects hide of a crop, as of :class:`Seen`, from the hidden pixels of its photo, (H, W) bool."""
    scale = float(crop.scale[0]) / crop.image.shape[1]
    low = np.maximum(np.ceil(crop.center - crop.scale / 2), 0).astype(int)
    high = np.maximum(np.floor(crop.center + crop.scale / 2), 0).astype(int)
    return float(hidden[low[1] : high[1], low[0] : high[0]].sum()) / scale**2, own.beyond / scale**2


def attacked_crop(
    pipeline: CropPipeline,
    crop: Crop,
    people: People,
    attack: Attack,
    skeleton: Skeleton,
    seed: int,
    material: Material | None = None,
    protocol: str = "corrected",
) -> np.ndarray:
    """One crop, (h, w, 3) uint8, out of its photo under an attack; arguments as above."""
    photo = crop.person.photo
    picture, subjects = cut_subjects(pipeline, photo, people.get(photo.id, ()))
    scene = Scene(picture, (crop,), subjects)
    return next(hide_in_photo(scene, attack, skeleton, seed, pipeline, material, protocol)).image
