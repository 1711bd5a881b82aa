"""What every augmentation shares: whom it works on, where its random numbers come from, and removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ..attacks import COCO, SKELETONS, Occluders, Placement, Skeleton
from ..attacks.attack import MAX_DECOYS
from ..attacks.regions import Region, Size
from ..system.errors import OccbenchError, unknown_name

SMALL_PARTS = ("left_arm", "right_arm", "hip", "left_leg", "right_leg")
"""What the thesis' code draws from: the small parts other than the head."""

Image = np.ndarray
"""Shape (H, W, 3), uint8, the network's input before normalisation."""


@dataclass(frozen=True, eq=False)
class Person:
    """A labelled person in a transformed picture.

    Attributes:
        points: Shape (K, 2), float64: x y in px of the picture.
        labelled: Shape (K,), bool.
        skeleton: Keypoints and parts.
        size: Height and width of the picture, px.
    """

    points: np.ndarray
    labelled: np.ndarray
    skeleton: Skeleton
    size: Size


class Occlusion(BaseTransform):
    """Base of the augmentations: hides something of each person of a sample, with the person's own chance.

    It stands after the affine and before the targets are made. Top-down, a sample is one person's crop; bottom-up it is
    a photo with all its persons, and px are those of the network's input as well. Random numbers come from numpy's
    global state, MMPose's own, so that what seeds MMPose's transforms seeds these.

    Required keys: ``img``, ``keypoints_visible``, ``transformed_keypoints`` (else ``keypoints``), and ``dataset_name``
    or the ``described`` skeleton of :class:`~.described.Describe`.
    Modified keys: ``img`` and, with removal, ``keypoints_visible``.

    Attributes:
        removal: Whether keypoints inside a painted region lose their label. A label that a person never had is never
            added.
    """

    removal = False

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Augment one sample."""
        rng = np.random.Generator(np.random.get_bit_generator())  # type: ignore[attr-defined]
        people = people_of(results)
        painted: list[Region] = []
        for person in people:
            results["img"], occluders = self.hide(results["img"], person, results, rng)
            painted += occluders.regions
        if self.removal and painted:
            _remove_labels(results, people, Occluders(tuple(painted)))
        return results

    def hide(
        self, image: Image, person: Person, results: dict[str, Any], rng: np.random.Generator
    ) -> tuple[Image, Occluders]:
        """Paint one person.

        Args:
            image: The picture; it is not changed.
            person: Whom to hide something of.
            results: The sample, for what else is needed.
            rng: Random state.

        Returns:
            The painted picture (the picture itself where nothing is painted), and what was painted.
        """
        raise NotImplementedError


def people_of(results: dict[str, Any]) -> list[Person]:
    """The persons of a sample, in its order.

    Raises:
        OccbenchError: The sample has no skeleton that is known here.
    """
    skeleton = skeleton_of(results)
    points = results.get("transformed_keypoints")
    points = np.asarray(results["keypoints"] if points is None else points, dtype=np.float64)[..., :2]
    visible = results["keypoints_visible"]
    labelled = (visible[..., 0] if visible.ndim == 3 else visible) > 0
    size = (int(results["img"].shape[0]), int(results["img"].shape[1]))
    return [Person(p, v, skeleton, size) for p, v in zip(points, labelled, strict=True)]


def skeleton_of(results: dict[str, Any]) -> Skeleton:
    """The skeleton of the data set that a sample is of.

    Raises:
        OccbenchError: No skeleton of this project has its name and number of keypoints.
    """
    described = results.get("described")
    if isinstance(described, Skeleton):
        return described
    name = str(results.get("dataset_name"))
    skeleton = COCO if name == "ochuman" else SKELETONS.get(name)
    if skeleton is None:
        raise unknown_name("data set of a training sample", name, [*SKELETONS, "ochuman"])
    if results["keypoints_visible"].shape[1] != len(skeleton.keypoints):
        raise OccbenchError(
            f"a training sample of data set {name!r} has {results['keypoints_visible'].shape[1]} keypoints, "
            f"but {name} has {len(skeleton.keypoints)}"
        )
    return skeleton


def _remove_labels(results: dict[str, Any], people: list[Person], occluders: Occluders) -> None:
    visible = results["keypoints_visible"].copy()
    for n, person in enumerate(people):
        visible[n, occluders.cover(person.points)] = 0
    results["keypoints_visible"] = visible


def check_chance(name: str, p: float) -> float:
    """``p`` itself.

    Raises:
        OccbenchError: It is no probability.
    """
    if not (isinstance(p, (int, float)) and 0 <= p <= 1):
        raise OccbenchError(f"the probability p of {name} must be from 0 to 1, but got {p!r}")
    return float(p)


def check_positive(name: str, what: str, value: float) -> float:
    """``value`` itself.

    Raises:
        OccbenchError: It is no positive number.
    """
    if not (isinstance(value, (int, float)) and 0 < value < float("inf")):
        raise OccbenchError(f"the {what} of {name} must be a positive number of px, but got {value!r}")
    return float(value)


def check_parts(name: str, parts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """``parts`` as a tuple; None for those that :func:`parts_of` takes.

    Raises:
        OccbenchError: No skeleton has one of them, or there are none.
    """
    if parts is None:
        return None
    known = {part for skeleton in SKELETONS.values() for part in skeleton.parts}
    for part in parts:
        if part not in known:
            raise unknown_name("part", str(part), known)
    if not parts:
        raise OccbenchError(f"{name} needs at least one part to draw from")
    return tuple(parts)


def parts_of(skeleton: Skeleton, given: tuple[str, ...] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """The parts to draw from: ``given``, else ``default`` of a known skeleton and every part of a described one."""
    if given is not None:
        return given
    return default if skeleton in SKELETONS.values() else tuple(skeleton.parts)


def placement(name: str, decoys: int) -> Placement:
    """Centred, with that many decoys elsewhere on the person (PROTOCOL section 8).

    Raises:
        OccbenchError: The number is none.
    """
    if not (isinstance(decoys, int) and 0 <= decoys <= MAX_DECOYS):
        raise OccbenchError(f"the decoys of {name} must be a number from 0 to {MAX_DECOYS}, but got {decoys!r}")
    return Placement("decoys", decoys) if decoys else Placement()
