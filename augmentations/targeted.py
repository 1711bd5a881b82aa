"""Blur or cut out one random keypoint or part (PROTOCOL section 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.registry import TRANSFORMS

from ..attacks import DEFAULT_RADIUS, DRAWN_FILLS, FILLS, LEVELS, Attack, Occluders, has_target, place
from ..attacks.fills import PART_BLUR, keypoint_blur, paint
from ..system.errors import OccbenchError, unknown_name
from .material import TrainingMaterial
from .occlusion import (
    SMALL_PARTS,
    Image,
    Occlusion,
    Person,
    check_chance,
    check_parts,
    check_positive,
    parts_of,
    placement,
)

KEYPOINT_KERNEL = 9
"""The thesis' text; its code, like the attack, takes 2r - 1."""


class Targeted(Occlusion):
    """One random target of a person, filled.

    Args:
        level: ``"keypoint"`` (a disc around one random labelled keypoint) or ``"part"`` (the rectangle of one random
            part of which two keypoints are labelled).
        p: Chance of each person.
        radius: Px: the disc's radius, or how far the rectangle reaches beyond its keypoints.
        removal: Keypoints inside what is painted lose their label; for parts only.
        decoys: That many equal occluders elsewhere on the person (PROTOCOL section 8).
        parts: What is drawn from at level ``"part"``; by default the small parts, or all of a described data set.

    Raises:
        OccbenchError: An argument is none of what it can be.
    """

    fill = "meanout"
    blur = PART_BLUR
    material: TrainingMaterial | None = None

    def __init__(
        self,
        level: str,
        p: float = 0.5,
        radius: float = DEFAULT_RADIUS,
        removal: bool = False,
        decoys: int = 0,
        parts: tuple[str, ...] | None = None,
    ) -> None:
        name = type(self).__name__
        if level not in LEVELS:
            raise unknown_name(f"level of {name}", str(level), LEVELS)
        if removal and level == "keypoint":
            raise OccbenchError(
                f"removal does not go with {name} of a keypoint: the keypoint under the disc is all that there is to "
                "learn from it; use removal with parts"
            )
        self.level = level
        self.p = check_chance(name, p)
        self.radius = check_positive(name, "radius", radius)
        self.removal = removal
        self.placement = placement(name, decoys)
        self.parts = check_parts(name, parts)

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Paint one random target of the person, with chance ``p``."""
        if rng.random() >= self.p:
            return image, Occluders()
        attack = self.draw(person, rng)
        if attack is None:
            return image, Occluders()
        draw = None if self.material is None else self.material.draw(person, results, rng)
        occluders = place(
            attack, person.skeleton, person.points, person.labelled, person.size, "corrected", rng, draw=draw
        )
        return paint(image, occluders.regions, self.fill, self.blur), occluders

    def draw(self, person: Person, rng: np.random.Generator) -> Attack | None:
        """The attack on a random target that the person has the labels for; None without any."""
        skeleton, labelled = person.skeleton, person.labelled
        if self.level == "keypoint":
            names = [skeleton.keypoints[k] for k in np.flatnonzero(labelled)]
        else:
            drawn = parts_of(skeleton, self.parts, SMALL_PARTS)
            parts = [part for part in skeleton.parts if part in drawn]
            names = [part for part in parts if has_target(self._attack(part), skeleton, labelled)]
        return self._attack(names[rng.integers(len(names))]) if names else None

    def _attack(self, target: str) -> Attack:
        return Attack(self.level, self.fill, target, self.radius, self.placement)


@TRANSFORMS.register_module()
class TargetedBlur(Targeted):
    """Gaussian blur of one random keypoint or part.

    Args:
        level: As in :class:`Targeted`, like all that is not named here.
        kernel: Odd px; None for the thesis' (9 for keypoints, 31 for parts).
        sigma: Px; None for the thesis' (5 for parts) or, with any other kernel, OpenCV's rule.
        **settings: ``p``, ``radius``, ``removal``, ``decoys``, ``parts``.
    """

    fill = "blur"

    def __init__(self, level: str, kernel: int | None = None, sigma: float | None = None, **settings: Any) -> None:
        super().__init__(level, **settings)
        self.blur = blur_of(type(self).__name__, level, kernel, sigma)


@TRANSFORMS.register_module()
class TargetedCutout(Targeted):
    """One random keypoint or part in the picture's mean colour, or under another fill (PROTOCOL sections 4 and 10).

    Args:
        level: As in :class:`Targeted`, like all that is not named here.
        fill: ``meanout``, ``blackout``, ``noise``, ``inpaint``, ``person`` or ``object``.
        occluders: Of fill ``object``: a folder of RGBA pictures; None for the drawn ones.
        **settings: ``p``, ``radius``, ``removal``, ``decoys``, ``parts``.
    """

    def __init__(self, level: str, fill: str = "meanout", occluders: str | None = None, **settings: Any) -> None:
        super().__init__(level, **settings)
        self.fill = check_fill(type(self).__name__, fill, occluders)
        if fill in DRAWN_FILLS:
            self.material = TrainingMaterial(occluders, donors=fill == "person")


def check_fill(name: str, fill: str, occluders: str | None) -> str:
    """``fill`` itself.

    Raises:
        OccbenchError: It is none of a cutout, or cut-outs are given for another one.
    """
    known = [known for known in FILLS if known != "blur"]
    if fill not in known:
        raise unknown_name(f"fill of {name}", str(fill), known)
    if occluders is not None and fill != "object":
        raise OccbenchError(f"occluders of {name} are for fill object, but its fill is {fill}: leave one out")
    return fill


def blur_of(name: str, level: str, kernel: int | None, sigma: float | None) -> tuple[int, float]:
    """Kernel and sigma of a blur, px.

    Args:
        name: Of the augmentation, for the message.
        level: ``"keypoint"`` or ``"part"``.
        kernel: Odd; None for the thesis'.
        sigma: None for the thesis' or, with any other kernel, OpenCV's rule.

    Raises:
        OccbenchError: The kernel is no odd number, or sigma not positive.
    """
    if kernel is None:
        blur = PART_BLUR if level == "part" else keypoint_blur((KEYPOINT_KERNEL + 1) / 2)
    elif isinstance(kernel, int) and kernel > 0 and kernel % 2:
        blur = keypoint_blur((kernel + 1) / 2)
    else:
        raise OccbenchError(f"the kernel of {name} must be an odd number of px, but got {kernel!r}")
    return blur if sigma is None else (blur[0], check_positive(name, "sigma", sigma))
