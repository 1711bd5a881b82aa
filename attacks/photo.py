"""An attack on a whole photo: every labelled person of it, in image px (PROTOCOL section 7, scope image)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .attack import Attack
from .fills import fill_regions, scaled_blur
from .material import Draw, Material, content_rng
from .occlude import Occluders, blur_of, occlude, place
from .placement import NOBODY, person_rng
from .regions import Size
from .targets import Skeleton


@dataclass(frozen=True, eq=False)
class Subject:
    """A labelled person of a photo, as far as an attack on the photo needs to know them.

    Attributes:
        id: Annotation id; it seeds random placements, as in a crop.
        keypoints: Shape (K, 2), float64, x y in image px.
        labelled: Shape (K,), bool (v > 0).
        scale: Image px per crop px of the crop that the person is seen through: its width in image px over its width
            in crop px.
        colour: Shape (C,), uint8: mean of that crop (:func:`~.fills.mean_colour`).
        crop: Height and width of that crop, crop px.
    """

    id: int
    keypoints: np.ndarray
    labelled: np.ndarray
    scale: float
    colour: np.ndarray
    crop: Size = (256, 192)

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width of the crop, image px."""
        return self.crop[0] * self.scale, self.crop[1] * self.scale


def place_in_photo(
    size: Size,
    subjects: Sequence[Subject],
    attack: Attack,
    skeleton: Skeleton,
    seed: int,
    material: Material | None = None,
    protocol: str = "corrected",
) -> list[Occluders]:
    """Find the regions of ``attack`` on every subject.

    Decoys and placebos stay off the keypoints of the target's names of all other subjects (PROTOCOL section 9).

    Args:
        size: Height and width of the photo, image px.
        subjects: Whom.
        attack: What to hide; its radius is in crop px of each subject.
        skeleton: The data set's keypoints and parts.
        seed: Of random placements and contents.
        material: What the fills beyond the thesis are made of; by default without other persons.
        protocol: ``thesis``: by its rules in the photo, where the radius is in image px, whatever the subject's size.

    Returns:
        One per subject, regions in image px, clipped to the photo.
    """
    stuff, whole = material or Material(), protocol == "thesis"
    members = skeleton.indices(attack.level, attack.target)
    alike = [subject.keypoints[members][subject.labelled[members]] for subject in subjects]
    return [
        place(
            attack,
            skeleton,
            subject.keypoints,
            subject.labelled,
            size,
            protocol,
            person_rng(seed, subject.id, attack.level, attack.target),
            1.0 if whole else subject.scale,
            Draw(stuff, content_rng(seed, subject.id, attack), frozenset({subject.id}), subject.extent),
            np.concatenate([NOBODY, *alike[:i], *alike[i + 1 :]]),
        )
        for i, subject in enumerate(subjects)
    ]


def occlude_photo(
    photo: np.ndarray,
    subjects: Sequence[Subject],
    occluders: Sequence[Occluders],
    attack: Attack,
    protocol: str = "corrected",
) -> np.ndarray:
    """Paint on a copy of ``photo`` what was placed on each subject; the photo itself where nothing was.

    Every fill is made from the unpainted photo. Where regions of two subjects overlap, the later one is on top.
    Protocol ``thesis`` paints as its code does for bottom-up models: one subject after the other, each fill made from
    the photo as it is by then, its mean colour that of the photo.

    Args:
        photo: Shape (H, W, C), uint8.
        subjects: Whom, in the order in which they are painted.
        occluders: What :func:`place_in_photo` found, one per subject.
        attack: Its fill is painted, its blur scaled to image px of each subject.
        protocol: ``corrected`` or ``thesis``.
    """
    if protocol == "thesis":
        for found in occluders:
            photo = occlude(photo, found, attack, protocol)
        return photo
    if not any(found.regions for found in occluders):
        return photo
    painted = photo.copy()
    for subject, found in zip(subjects, occluders, strict=True):
        blur = scaled_blur(blur_of(attack), subject.scale)
        fill_regions(painted, photo, found.regions, attack.fill, blur, subject.colour, subject.scale)
    return painted
