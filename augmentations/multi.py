"""Several occluders at once: cutout and blur together, and up to five keypoints (PROTOCOL section 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.registry import TRANSFORMS

from ..attacks import DEFAULT_RADIUS, Attack, Occluders, place
from ..attacks.fills import paint
from ..attacks.regions import Region
from ..system.errors import OccbenchError
from .occlusion import Image, Occlusion, Person, check_chance, check_positive, placement
from .targeted import TargetedBlur, TargetedCutout, blur_of


@TRANSFORMS.register_module()
class TargetedCutoutBlur(Occlusion):
    """A blur and then a cutout of a random keypoint or part, each with its own draw of chance and target.

    Args:
        level: ``"keypoint"`` or ``"part"``.
        p: Chance of each of the two.
        kernel: Of the blur, as :class:`TargetedBlur` takes it.
        sigma: Likewise.
        **settings: ``radius``, ``removal``, ``decoys``, ``parts``, as :class:`~.targeted.Targeted` takes them.
    """

    def __init__(
        self, level: str, p: float = 0.5, kernel: int | None = None, sigma: float | None = None, **settings: Any
    ) -> None:
        self.steps = (TargetedBlur(level, kernel, sigma, p=p, **settings), TargetedCutout(level, p=p, **settings))
        self.removal = self.steps[0].removal

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Blur, then cut out."""
        regions: list[Region] = []
        for step in self.steps:
            image, occluders = step.hide(image, person, results, rng)
            regions += occluders.regions
        return image, Occluders(tuple(regions))


@TRANSFORMS.register_module()
class MultiKeypointOcclusion(Occlusion):
    """Up to ``max_keypoints`` different labelled keypoints, each with chance ``p``, cut out or blurred at random.

    Args:
        p: Chance of each keypoint.
        max_keypoints: How many keypoints are drawn; fewer where a person has fewer.
        radius: Of the discs, px.
        kernel: Of the blur, as :class:`~.targeted.TargetedBlur` takes it.
        sigma: Likewise.
        decoys: That many equal discs elsewhere on the person for every keypoint that is hidden.

    Raises:
        OccbenchError: An argument is none of what it can be.
    """

    def __init__(
        self,
        p: float = 0.2,
        max_keypoints: int = 5,
        radius: float = DEFAULT_RADIUS,
        kernel: int | None = None,
        sigma: float | None = None,
        decoys: int = 0,
    ) -> None:
        name = type(self).__name__
        if not (isinstance(max_keypoints, int) and max_keypoints >= 1):
            raise OccbenchError(f"max_keypoints of {name} must be a number from 1 up, but got {max_keypoints!r}")
        self.p = check_chance(name, p)
        self.max_keypoints = max_keypoints
        self.radius = check_positive(name, "radius", radius)
        self.blur = blur_of(name, "keypoint", kernel, sigma)
        self.placement = placement(name, decoys)

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Paint the keypoints that are drawn, one after the other."""
        regions: list[Region] = []
        drawn = rng.permutation(np.flatnonzero(person.labelled))[: self.max_keypoints]
        for keypoint in drawn:
            if rng.random() >= self.p:
                continue
            fill = "meanout" if rng.random() < 0.5 else "blur"
            target = person.skeleton.keypoints[keypoint]
            attack = Attack("keypoint", fill, target, self.radius, self.placement)
            occluders = place(attack, person.skeleton, person.points, person.labelled, person.size, "corrected", rng)
            image = paint(image, occluders.regions, fill, self.blur)
            regions += occluders.regions
        return image, Occluders(tuple(regions))
