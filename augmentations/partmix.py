"""PartMix: a body part is covered by another person's other part (PROTOCOL section 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.registry import TRANSFORMS

from ..attacks import DEFAULT_RADIUS, Attack, Occluders, place
from ..system.errors import OccbenchError
from .bank import CROP, DonorBank, paste, person_ids, whole_parts
from .occlusion import Image, Occlusion, Person, check_chance, check_parts, check_positive, parts_of, placement

PARTS = ("head", "left_arm", "right_arm", "left_leg", "right_leg", "corpus")
REFRESH = 100
"""A bank serves so many samples per donor before other persons take their turn, so that reading them costs little."""


@TRANSFORMS.register_module()
class PartMix(Occlusion):
    """A random part, every keypoint of which is labelled, is covered by a part of another kind of another person.

    The donor is resized to the part's rectangle by area interpolation; its labels are not added. Donors come from a
    bank of crops in memory, which each worker fills when it first needs it. With :class:`~.seeding.SeedSample` in the
    pipeline the bank's persons hang on seed and epoch alone, and change from time to time; without, each worker
    draws its own and keeps them.

    Args:
        p: Chance of each person.
        removal: Keypoints inside what is painted lose their label.
        radius: How far a part's rectangle reaches beyond its keypoints, px.
        decoys: That many rectangles of the part's size elsewhere on the person, each with a donor of its own.
        parts: Which parts are covered, and cut out; by default :data:`PARTS`, or all of a described data set.
        bank: How many persons' parts are kept in memory (some 40 kB each at 256x192).

    Raises:
        OccbenchError: An argument is none of what it can be.
    """

    def __init__(
        self,
        p: float = 0.5,
        removal: bool = False,
        radius: float = DEFAULT_RADIUS,
        decoys: int = 0,
        parts: tuple[str, ...] | None = None,
        bank: int = 256,
    ) -> None:
        name = type(self).__name__
        if not (isinstance(bank, int) and bank >= 2):
            raise OccbenchError(f"the bank of {name} must have at least 2 persons, but got {bank!r}")
        self.p = check_chance(name, p)
        self.removal = removal
        self.radius = check_positive(name, "radius", radius)
        self.placement = placement(name, decoys)
        self.parts = check_parts(name, parts)
        self.bank = bank
        self._filled: tuple[tuple[int, ...], DonorBank] | None = None

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Cover one random whole part of the person, with chance ``p``."""
        if rng.random() >= self.p:
            return image, Occluders()
        parts = parts_of(person.skeleton, self.parts, PARTS)
        (whole,) = whole_parts(person.skeleton, parts, person.labelled[None])
        if not whole:
            return image, Occluders()
        part = whole[rng.integers(len(whole))]
        attack = Attack("part", "meanout", part, self.radius, self.placement)
        occluders = place(attack, person.skeleton, person.points, person.labelled, person.size, "corrected", rng)
        bank = self._donors(person, results, rng)
        own = frozenset(person_ids(results))
        painted = image.copy()
        for region in occluders.regions:
            donor = bank.draw(part, own, rng)
            if donor is None:
                return image, Occluders()
            paste(painted, region.window, donor.patch)
        return painted, occluders

    def _donors(self, person: Person, results: dict[str, Any], rng: np.random.Generator) -> DonorBank:
        """The bank whose turn it is, filled where it is not the one in memory."""
        dataset = results.get("dataset")
        if dataset is None:
            raise OccbenchError("PartMix needs to reach the data set for its donors: use a data set of MMPose 1.3")
        if "draw_seed" in results:
            seen = results["draw_epoch"] * len(dataset)
            turn = seen // (REFRESH * self.bank) if len(dataset) > self.bank else 0
            key: tuple[int, ...] = (results["draw_seed"], turn)
        elif self._filled is not None:
            return self._filled[1]
        else:
            key = tuple(rng.integers(2**32, size=2).tolist())
        if self._filled is None or self._filled[0] != key:
            topdown = results.get("transformed_keypoints") is not None
            size = tuple(results["input_size"]) if topdown else CROP
            parts = parts_of(person.skeleton, self.parts, PARTS)
            bank = DonorBank(dataset, person.skeleton, parts, self.bank, self.radius, size, np.random.default_rng(key))
            self._filled = key, bank
        return self._filled[1]
