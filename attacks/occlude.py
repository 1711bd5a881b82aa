"""A person's crop and an attack become an attacked crop (PROTOCOL sections 1, 3, 4, 8 and 10)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .attack import DRAWN_FILLS, Attack
from .fills import PART_BLUR, keypoint_blur, paint, scaled_blur
from .material import Draw, dressed
from .placement import MARGIN, NOBODY, disc_decoys, jitter, moved, rectangle_decoys
from .regions import Box, Region, Size, disc, disc_thesis, part_box, part_box_thesis, rectangle
from .targets import Skeleton


@dataclass(frozen=True)
class Occluders:
    """What an attack paints on one person.

    Attributes:
        regions: Every region to paint, the true one first where there is one.
        missing: How many decoys or placebos did not fit on the person.
        true: How many of the regions (0 or 1) hide the target; the others are decoys or placebos.
    """

    regions: tuple[Region, ...] = ()
    missing: int = 0
    true: int = 0

    def mask(self, size: Size) -> np.ndarray:
        """The pixels that are hidden, (H, W) bool."""
        hidden = np.zeros(size, dtype=bool)
        for region in self.regions:
            hidden[region.window] |= region.mask
        return hidden

    def pixels(self, size: Size) -> int:
        """How many pixels are hidden."""
        regions = self.regions
        return int((regions[0].mask if len(regions) == 1 else self.mask(size)).sum())

    @property
    def beyond(self) -> int:
        """Pixels that objects hide beyond the discs or rectangles that they stand for."""
        return sum(region.beyond for region in self.regions)

    def cover(self, points: np.ndarray) -> np.ndarray:
        """Which of ``points`` (N, 2; x y in crop px) lie in a painted region; shape (N,), bool."""
        covered = np.zeros(len(points), dtype=bool)
        for region in self.regions:
            covered |= region.contains(points)
        return covered


def has_target(attack: Attack, skeleton: Skeleton, labelled: np.ndarray) -> bool:
    """Whether a person has the labels that the attack needs: the keypoint, or two of the part (PROTOCOL section 1).

    Args:
        attack: What to hide.
        skeleton: The data set's keypoints and parts.
        labelled: Shape (K,), bool (v > 0).
    """
    return bool(labelled[skeleton.indices(attack.level, attack.target)].sum() >= labels_needed(attack))


def labels_needed(attack: Attack) -> int:
    """How many labelled keypoints of its target an attack needs."""
    return 1 if attack.level == "keypoint" else 2


def place(
    attack: Attack,
    skeleton: Skeleton,
    keypoints: np.ndarray,
    labelled: np.ndarray,
    size: Size,
    protocol: str,
    rng: np.random.Generator,
    scale: float = 1.0,
    draw: Draw | None = None,
    others: np.ndarray = NOBODY,
) -> Occluders:
    """Find the regions of ``attack`` on one person, and what is painted there where it is drawn at random.

    A keypoint that is not labelled, or a part with fewer than two labelled keypoints, is no attack: no regions.
    In a photo (PROTOCOL section 7, scope image) all that is said in crop px is said in image px, and ``scale`` tells
    how many of them one crop px of this person is: the same person gets the same regions, as far as they lie in the
    crop.

    Args:
        attack: What to hide.
        skeleton: The data set's keypoints and parts.
        keypoints: Shape (K, 2), x y in crop px.
        labelled: Shape (K,), bool (v > 0).
        size: Height and width of the crop, px.
        protocol: ``"corrected"`` or ``"thesis"``.
        rng: Random state of this person and target (:func:`~.placement.person_rng`).
        scale: Px that the radius and the other lengths of the protocol are multiplied by.
        draw: What the fills ``noise``, ``person`` and ``object`` are drawn from; others need none.
        others: Keypoints of the target's names of the other persons of a photo, shape (M, 2), image px: no decoy and no
            placebo lies on them (PROTOCOL section 9).

    Raises:
        ValueError: The fill is drawn, and there is nothing to draw it from.
    """
    members = skeleton.indices(attack.level, attack.target)
    points = keypoints[[member for member in members if labelled[member]]]
    if len(points) < labels_needed(attack):
        return Occluders()
    margin = MARGIN * scale
    if scale != 1:
        attack = replace(attack, radius=attack.radius * scale)
    if attack.level == "keypoint":
        found = _place_discs(attack, points[0], keypoints[labelled], size, protocol, rng, margin, others)
        middle = points[0]
    else:
        if protocol == "thesis":
            box = part_box_thesis(skeleton, attack.target, keypoints, labelled)
        else:
            box = part_box(points, attack.radius)
        if box is None:
            return Occluders()
        found = _place_rectangles(attack, box, keypoints[labelled], points, size, protocol, rng, margin, others)
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    if attack.fill not in DRAWN_FILLS:
        return found
    if draw is None:
        raise ValueError(f"fill {attack.fill} is drawn at random, and there is nothing to draw it from")
    regions = dressed(attack, found.regions, points, middle, size, draw, scale)
    return replace(found, regions=regions) if regions else Occluders(missing=found.missing)


def _place_discs(
    attack: Attack,
    centre: np.ndarray,
    labelled_points: np.ndarray,
    size: Size,
    protocol: str,
    rng: np.random.Generator,
    margin: float,
    others: np.ndarray,
) -> Occluders:
    # The thesis' rule paints no disc past the square that both sides of the crop have: no decoy is put there.
    make, painted = (disc_thesis, (min(size), min(size))) if protocol == "thesis" else (disc, size)
    centres = []
    if attack.placement.kind == "jittered":
        centres.append(centre + jitter(attack.radius, rng))
    elif attack.placement.kind != "placebo":
        centres.append(centre)
    wanted = attack.placement.elsewhere
    elsewhere = disc_decoys(wanted, labelled_points, attack.radius, painted, rng, margin, others) if wanted else []
    return _occluders(
        [make((float(x), float(y)), attack.radius, size) for x, y in centres],
        [make(centre, attack.radius, size) for centre in elsewhere],
        wanted,
    )


def _occluders(true: list[Region | None], elsewhere: list[Region | None], wanted: int) -> Occluders:
    """Those that paint anything, and how many of the ``wanted`` ones elsewhere do not."""
    hiding = [region for region in true if region is not None]
    painted = [region for region in elsewhere if region is not None]
    return Occluders((*hiding, *painted), wanted - len(painted), len(hiding))


def _place_rectangles(
    attack: Attack,
    box: Box,
    labelled_points: np.ndarray,
    part_points: np.ndarray,
    size: Size,
    protocol: str,
    rng: np.random.Generator,
    margin: float,
    others: np.ndarray,
) -> Occluders:
    whole = protocol == "thesis"
    boxes = []
    if attack.placement.kind == "jittered":
        boxes.append(moved(box, jitter(attack.radius, rng), whole))
    elif attack.placement.kind != "placebo":
        boxes.append(box)
    wanted = attack.placement.elsewhere
    elsewhere: list[Box] = []
    if wanted:
        elsewhere = rectangle_decoys(
            wanted, labelled_points, part_points, box, size, rng, bool(boxes), whole, margin, others
        )
    return _occluders([rectangle(b, size) for b in boxes], [rectangle(b, size) for b in elsewhere], wanted)


def occlude(
    crop: np.ndarray, occluders: Occluders, attack: Attack, protocol: str = "corrected", scale: float = 1.0
) -> np.ndarray:
    """Paint ``occluders`` on a copy of ``crop`` (H, W, C; uint8); the crop itself where there are none.

    ``scale`` tells how many of its px one crop px is, as for :func:`place`.
    """
    blur = scaled_blur(blur_of(attack), scale)
    return paint(crop, occluders.regions, attack.fill, blur, protocol == "thesis", scale)


def blur_of(attack: Attack) -> tuple[int, float]:
    """Kernel and sigma of an attack's blur, crop px."""
    return PART_BLUR if attack.level == "part" else keypoint_blur(attack.radius)
