"""``occbench.occlude``: the attack alone, on plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..attacks import Attack, Donors, Skeleton


def occlude(
    image: np.ndarray,
    keypoints: np.ndarray,
    attack: str | Attack,
    *,
    labelled: np.ndarray | None = None,
    skeleton: str = "coco",
    protocol: str = "corrected",
    seed: int = 0,
    occluders: str | PathLike[str] | None = None,
    donors: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> np.ndarray:
    """Hide a keypoint or a part of one person (PROTOCOL sections 3, 4, 8 and 10).

    The image is taken for the person's crop: radius, blur and mean colour are in its px. To attack as the protocol
    does, pass the network's input before normalisation.

    Args:
        image: Shape (H, W, 3), uint8; the order of the channels does not matter.
        keypoints: Shape (K, 2), x y in px of the image, or (K, 3) with a visibility: 0 is not labelled.
        attack: As ``"part-blackout:left_arm"`` or ``"keypoint-blur:nose@9+decoys:6"``.
        labelled: Shape (K,), bool; None: by the visibility, else where ``keypoints`` are finite.
        skeleton: Whose keypoints and parts: ``coco``, ``mpii``, ``crowdpose``, ``lsp`` or ``flic``.
        protocol: ``corrected`` or ``thesis``.
        seed: Of placements and fills that are random.
        occluders: Of fill ``object``: a folder of RGBA pictures, for images in BGR; None for the drawn ones.
        donors: Of fill ``person``: other persons, each an image as ``image`` and keypoints as ``keypoints``.

    Returns:
        A new array; equal to the image where the person lacks the labels that the attack needs.

    Raises:
        OccbenchError: An argument has the wrong shape, or names what does not exist.
    """
    from ..attacks import (
        PROTOCOLS,
        SKELETONS,
        WORLD_FILLS,
        Attack,
        Draw,
        Material,
        content_rng,
        drawn_cutouts,
        person_rng,
        place,
    )
    from ..attacks import occlude as paint
    from ..data.occluders import read_cutouts

    if skeleton not in SKELETONS:
        raise unknown_name("skeleton", skeleton, SKELETONS)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    body = SKELETONS[skeleton]
    try:
        wanted = Attack.parse(attack, image.shape[1]) if isinstance(attack, str) else attack
    except ValueError as error:
        raise OccbenchError(str(error)) from error
    if wanted.target not in body.targets(wanted.level):
        raise unknown_name("target", wanted.target, body.targets(wanted.level))
    if wanted.fill == "person" and not donors:
        raise OccbenchError("fill person pastes another person's: give donors=[(image, keypoints), ...]")
    if image.ndim != 3 or image.dtype != np.uint8:
        raise OccbenchError(f"the image must have shape (H, W, C) and dtype uint8, but got {image.shape} {image.dtype}")
    if wanted.fill in WORLD_FILLS and image.shape[2] != 3:
        raise OccbenchError(f"fill {wanted.fill} needs an image of 3 channels, but got {image.shape[2]}")
    places, there = _labelled(keypoints, labelled, body)
    cutouts = drawn_cutouts() if occluders is None else read_cutouts(Path(occluders))
    draw = Draw(Material(cutouts, _donors(donors, body)), content_rng(seed, 0, wanted), frozenset({0}))
    rng = person_rng(seed, 0, wanted.level, wanted.target)
    found = place(wanted, body, places, there, image.shape[:2], protocol, rng, draw=draw)
    return paint(image, found, wanted, protocol).copy()


def _labelled(keypoints: np.ndarray, labelled: np.ndarray | None, body: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Places, (K, 2) float64, and which of them are labelled, (K,) bool."""
    points = np.asarray(keypoints, dtype=np.float64)
    count = len(body.keypoints)
    if points.shape not in ((count, 2), (count, 3)):
        raise OccbenchError(f"keypoints must have shape ({count}, 2) or ({count}, 3), but got {points.shape}")
    there = np.all(np.isfinite(points[:, :2]), axis=1)
    if labelled is not None:
        there &= np.asarray(labelled, dtype=bool)
    elif points.shape[1] == 3:
        there &= points[:, 2] > 0
    return np.where(there[:, None], points[:, :2], 0.0), there


def _donors(given: Sequence[tuple[np.ndarray, np.ndarray]], body: Skeleton) -> Donors:
    from ..attacks import Donors

    for image, _ in given:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise OccbenchError(f"a donor's image must have shape (H, W, 3) and dtype uint8, but got {image.shape}")
    people = [_labelled(keypoints, None, body) for _, keypoints in given]
    labelled = np.array([there for _, there in people], bool).reshape(len(given), len(body.keypoints))
    return Donors(body, np.arange(1, len(given) + 1), labelled, lambda i: (given[i][0], people[i][0]))
