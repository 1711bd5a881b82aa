"""The control: the targeted cutout's occluder at a place that says nothing about the person."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.registry import TRANSFORMS

from ..attacks import DEFAULT_RADIUS, LEVELS, Occluders
from ..attacks.fills import PART_BLUR, paint
from ..attacks.placement import moved
from ..attacks.regions import Region, disc, part_box, rectangle
from ..system.errors import unknown_name
from .occlusion import SMALL_PARTS, Image, Occlusion, Person, check_chance, check_parts, check_positive, parts_of


@TRANSFORMS.register_module()
class RandomCutout(Occlusion):
    """A disc, or the rectangle of a random part, in the picture's mean colour, anywhere in the picture.

    Args:
        level: ``"keypoint"`` for a disc, ``"part"`` for a rectangle of the size that :class:`~.targeted.TargetedCutout`
            would paint on the person.
        p: Chance of each person.
        radius: Px: the disc's radius, or how far the rectangle reaches beyond its keypoints.
        parts: Whose sizes are drawn from at level ``"part"``; by default as of :class:`~.targeted.Targeted`.

    Raises:
        OccbenchError: An argument is none of what it can be.
    """

    def __init__(
        self,
        level: str = "keypoint",
        p: float = 0.5,
        radius: float = DEFAULT_RADIUS,
        parts: tuple[str, ...] | None = None,
    ) -> None:
        name = type(self).__name__
        if level not in LEVELS:
            raise unknown_name(f"level of {name}", str(level), LEVELS)
        self.level = level
        self.p = check_chance(name, p)
        self.radius = check_positive(name, "radius", radius)
        self.parts = check_parts(name, parts)

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Paint one occluder at a uniformly random place, with chance ``p``."""
        if rng.random() >= self.p:
            return image, Occluders()
        region = self._region(person, rng)
        if region is None:
            return image, Occluders()
        return paint(image, [region], "meanout", PART_BLUR), Occluders((region,))

    def _region(self, person: Person, rng: np.random.Generator) -> Region | None:
        height, width = person.size
        centre = rng.uniform((0, 0), (width - 1, height - 1))
        if self.level == "keypoint":
            return disc((float(centre[0]), float(centre[1])), self.radius, person.size)
        boxes = []
        for part in parts_of(person.skeleton, self.parts, SMALL_PARTS):
            if part in person.skeleton.parts:
                members = person.skeleton.indices("part", part)
                boxes.append(part_box(person.points[members][person.labelled[members]], self.radius))
        given = [box for box in boxes if box is not None]
        if not given:
            return None
        box = given[rng.integers(len(given))]
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        return rectangle(moved(box, centre - middle, whole=False), person.size)
