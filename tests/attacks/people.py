"""Persons and crops to attack."""

from __future__ import annotations

import numpy as np

from occbench.attacks import COCO, Attack, Occluders, Placement, person_rng, place

SIZE = (256, 192)
"""Height and width of a COCO crop, px."""

STANDING = np.array(
    [
        *([96, 40], [102, 34], [90, 34], [110, 38], [82, 38]),
        *([120, 70], [72, 70], [134, 105], [58, 105], [140, 140], [52, 138]),
        *([110, 138], [82, 138], [112, 184], [80, 184], [113, 228], [78, 230]),
    ],
    dtype=np.float64,
)
"""A person who stands upright in the crop; shape (17, 2), x y in crop px."""

EVERYTHING = np.ones(17, dtype=bool)


def person(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """The standing person moved, scaled and shaken, on a grid of 1/16 px; and which keypoints are labelled."""
    scale = rng.uniform(0.5, 1.2) * size[0] / SIZE[0]
    centre = np.array([size[1], size[0]]) / 2 + rng.normal(size=2) * size[1] / 12
    points = (STANDING - [96, 128]) * scale + centre + rng.normal(size=(17, 2)) * 6 * scale
    return np.rint(points * 16) / 16, rng.random(17) < 0.7


def noise(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A crop of noise with zero padding at its right and bottom."""
    crop = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    crop[:, -size[1] // 8 :] = 0
    crop[-size[0] // 10 :] = 0
    return crop


def placed(
    attack: Attack,
    points: np.ndarray,
    labelled: np.ndarray = EVERYTHING,
    size: tuple[int, int] = SIZE,
    protocol: str = "corrected",
    person: int = 1,
    seed: int = 0,
) -> Occluders:
    """The regions of an attack on a person, from that person's own random state."""
    rng = person_rng(seed, person, attack.level, attack.target)
    return place(attack, COCO, points, labelled, size, protocol, rng)


def attack(level: str, target: str, placement: str = "centred", radius: float = 6, fill: str = "blackout") -> Attack:
    """An attack by its words."""
    return Attack(level, fill, target, radius, Placement.parse(placement))


def full(occluders: Occluders, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Each region as a mask of the whole crop."""
    masks = [np.zeros(size, dtype=bool) for _ in occluders.regions]
    for mask, region in zip(masks, occluders.regions, strict=True):
        mask[region.window] = region.mask
    return masks
