"""What the fills beyond the thesis are made of, and how regions take it on (PROTOCOL section 10)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from .attack import Attack
from .donors import Donors
from .objects import Cutout, Cutouts, cover, drawn_cutouts, fit_disc, fit_points
from .regions import Region, Size, disc


@dataclass(frozen=True, eq=False)
class Material:
    """What the fills beyond the thesis are made of.

    Attributes:
        cutouts: For ``object``.
        donors: For ``person``; None where there are no other persons.
    """

    cutouts: Cutouts = field(default_factory=drawn_cutouts)
    donors: Donors | None = None


@dataclass(frozen=True, eq=False)
class Draw:
    """What one person's occluders are drawn from.

    Attributes:
        material: What there is.
        rng: Random state of this person and attack (:func:`content_rng`).
        own: Annotation ids that are this person, who never gives anything.
        extent: Height and width of the person's crop, px; None for all of the picture.
    """

    material: Material
    rng: np.random.Generator
    own: frozenset[int] = frozenset()
    extent: tuple[float, float] | None = None


def content_rng(seed: int, person: int, attack: Attack) -> np.random.Generator:
    """The generator of what is painted on one person: the same for every size and placement of a target."""
    what = f"{attack.level}:{attack.fill}:{attack.target}"
    return np.random.default_rng([seed, abs(person), int(person < 0), zlib.crc32(what.encode())])


def dressed(
    attack: Attack,
    regions: tuple[Region, ...],
    points: np.ndarray,
    middle: np.ndarray,
    size: Size,
    draw: Draw,
    scale: float,
) -> tuple[Region, ...]:
    """Regions with what is painted in them; none where nobody can give it.

    Args:
        attack: Its radius is in px of the picture.
        regions: Plain discs or rectangles.
        points: Shape (N, 2): the labelled keypoints of the target, px of the picture.
        middle: Shape (2,): x y of the middle of the disc or rectangle on the target, painted or not.
        size: Height and width of the picture, px.
        draw: What it is drawn from.
        scale: Px per crop px.
    """
    if not regions:
        return regions
    if attack.fill == "noise":
        return tuple(replace(region, patch=_noise(region, draw.rng, scale)) for region in regions)
    if attack.fill == "person":
        return _pasted(attack, regions, draw, scale)
    if attack.fill == "object":
        return _objects(attack, regions, points, middle, size, draw)
    return regions


def _noise(region: Region, rng: np.random.Generator, scale: float) -> np.ndarray:
    """Uniform on 0..255, in grains of a crop px: finer ones would be grey in the crop."""
    rows, columns = region.mask.shape
    grain = max(1.0, scale)
    down, across = (np.arange(n) / grain for n in (rows, columns))
    grains = rng.integers(0, 256, (int(down[-1]) + 1, int(across[-1]) + 1, 3), np.uint8)
    return grains[down.astype(int)][:, across.astype(int)]


def _pasted(attack: Attack, regions: tuple[Region, ...], draw: Draw, scale: float) -> tuple[Region, ...]:
    donors = draw.material.donors
    if donors is None:
        raise ValueError("fill person needs other persons, but there are none")
    found = []
    for region in regions:
        if attack.level == "keypoint":
            patch = donors.disc(region, attack.target, draw.own, draw.rng, scale)
        else:
            patch = donors.part(region, attack.target, attack.radius / scale, draw.own, draw.rng)
        if patch is None:
            return ()
        found.append(replace(region, patch=patch))
    return tuple(found)


def _objects(
    attack: Attack,
    regions: tuple[Region, ...],
    points: np.ndarray,
    middle: np.ndarray,
    size: Size,
    draw: Draw,
) -> tuple[Region, ...]:
    """One object for all regions, as it lies on the target, and moved with the others."""
    cutouts = draw.material.cutouts.all
    cutout = cutouts[draw.rng.integers(len(cutouts))]
    found = []
    for region in regions:
        by = np.array(region.centre) - middle
        found.append(_object(cutout, attack, region, points + by, size, draw.extent or size))
    return tuple(found)


def _object(
    cutout: Cutout, attack: Attack, region: Region, points: np.ndarray, size: Size, extent: tuple[float, float]
) -> Region:
    plain = np.zeros(size, bool)
    plain[region.window] = region.mask
    if attack.level == "keypoint":
        fit, needed, about = fit_disc(cutout, region.centre, attack.radius), plain, region.centre
    else:
        discs = [disc((x, y), attack.radius, size) for x, y in points.tolist()]
        seen = [found is not None for found in discs]
        points = points[seen] if any(seen) else points  # what lies outside of the picture need not be covered
        fit = fit_points(cutout, points, attack.radius, extent)
        needed = np.zeros(size, bool)
        for found in discs:
            if found is not None:
                needed[found.window] |= found.mask
        about = (float(points[:, 0].mean()), float(points[:, 1].mean()))
    covering = cover(cutout, fit, needed, about, size)
    beyond = covering.mask & ~plain[covering.window]
    return replace(covering, centre=region.centre, beyond=int(beyond.sum()))
