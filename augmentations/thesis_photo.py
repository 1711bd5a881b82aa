"""What the thesis' published code does to the photos of a bottom-up training, faults included (PROTOCOL section 6).

For who wants to reproduce its HigherHRNet rows. As published, every run applies all three augmentations, each to half
of the persons, before the affine: radii are px of the photo, whatever the size of a person. A disc is left out where x
reaches the photo's height or y its width; a mean colour is that of the photo as it is painted so far, its fraction
dropped; a donor is the first person of a random photo, its red and blue exchanged.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import TRANSFORMS

from ..attacks import DEFAULT_RADIUS, Attack, Skeleton, has_target, occlude, place
from ..attacks.donors import kind_of
from ..attacks.regions import Region, part_box_thesis, rectangle
from ..system.errors import OccbenchError
from .bank import paste, whole_parts
from .occlusion import SMALL_PARTS, Image, Person, check_chance, check_positive, people_of
from .partmix import PARTS

TRIES = 10
"""Random photos that are looked at for a donor, before a person is left as they are."""


@TRANSFORMS.register_module()
class ThesisPhotoOcclusion(BaseTransform):
    """Blur of a keypoint, cutout of a part, then PartMix, each of every person with chance ``p``; labels are kept.

    It stands behind LoadImage and before the affine of a bottom-up pipeline. Random numbers come from numpy's global
    state, as the other augmentations'.

    Args:
        p: Chance of each of the three, for each person.
        radius: Of discs, px of the photo; the blur's kernel is 2 radius - 1.

    Raises:
        OccbenchError: An argument is none of what it can be.
    """

    def __init__(self, p: float = 0.5, radius: float = DEFAULT_RADIUS) -> None:
        self.p = check_chance(type(self).__name__, p)
        self.radius = check_positive(type(self).__name__, "radius", radius)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Augment one photo."""
        rng = np.random.Generator(np.random.get_bit_generator())  # type: ignore[attr-defined]
        for step in (self._blur, self._cut_out, self._mix):
            for person in people_of(results):
                if rng.random() < self.p:
                    results["img"] = step(results["img"], person, results, rng)
        return results

    def _blur(self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator) -> Image:
        names = [person.skeleton.keypoints[k] for k in np.flatnonzero(person.labelled)]
        return self._painted(image, person, "keypoint", "blur", names, rng)

    def _cut_out(self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator) -> Image:
        names = [part for part in person.skeleton.parts if part in SMALL_PARTS]
        names = [
            name for name in names if has_target(Attack("part", "meanout", name), person.skeleton, person.labelled)
        ]
        return self._painted(image, person, "part", "meanout", names, rng)

    def _painted(
        self, image: Image, person: Person, level: str, fill: str, names: list[str], rng: np.random.Generator
    ) -> Image:
        """One of the targets ``names`` painted by the rules of the thesis."""
        if not names:
            return image
        attack = Attack(level, fill, names[rng.integers(len(names))], self.radius)
        found = place(attack, person.skeleton, person.points, person.labelled, person.size, "thesis", rng)
        return occlude(image, found, attack, "thesis")

    def _mix(self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator) -> Image:
        """A whole part of the person covered by a part of another kind of a donor."""
        (whole,) = whole_parts(person.skeleton, PARTS, person.labelled[None])
        if not whole:
            return image
        part = whole[rng.integers(len(whole))]
        region = _region(person.skeleton, part, person.points, person.labelled, person.size)
        donor = _donor(results, person.skeleton, part, rng)
        if region is None or donor is None:
            return image
        painted = image.copy()
        paste(painted, region.window, donor)
        return painted


def _region(
    skeleton: Skeleton, part: str, points: np.ndarray, labelled: np.ndarray, size: tuple[int, int]
) -> Region | None:
    box = part_box_thesis(skeleton, part, points, labelled)
    return None if box is None else rectangle(box, size)


def _donor(results: dict[str, Any], skeleton: Skeleton, part: str, rng: np.random.Generator) -> Image | None:
    """A part of another kind of the first person of a random photo, red and blue exchanged; None: none found."""
    dataset = results.get("dataset")
    if dataset is None:
        raise OccbenchError("ThesisPhotoOcclusion needs to reach the data set for its donors: use one of MMPose 1.3")
    for _ in range(TRIES):
        sample = dataset.get_data_info(int(rng.integers(len(dataset))))
        visible = sample["keypoints_visible"]
        labelled = (visible[0, :, 0] if visible.ndim == 3 else visible[0]) > 0
        points = np.asarray(sample["keypoints"][0], np.float64)[:, :2]
        (whole,) = whole_parts(skeleton, PARTS, labelled[None])
        others = [name for name in whole if kind_of(name) != kind_of(part)]
        if not others:
            continue
        photo = LoadImage().transform({"img_path": sample["img_path"]})["img"]
        name = others[rng.integers(len(others))]
        region = _region(skeleton, name, points, labelled, photo.shape[:2])
        if region is not None:
            return np.asarray(cv2.cvtColor(photo[region.window], cv2.COLOR_BGR2RGB))
    return None
