"""``occbench.occlude``: the attack alone, on plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..attacks import Attack


def occlude(
    image: np.ndarray,
    keypoints: np.ndarray,
    attack: str | Attack,
    *,
    labelled: np.ndarray | None = None,
    skeleton: str = "coco",
    protocol: str = "corrected",
    seed: int = 0,
) -> np.ndarray:
    """Hide a keypoint or a part of one person (PROTOCOL sections 3, 4 and 8).

    The image is taken for the person's crop: radius, blur and mean colour are in its px. To attack as the protocol
    does, pass the network's input before normalisation.

    Args:
        image: Shape (H, W, 3), uint8; the order of the channels does not matter.
        keypoints: Shape (K, 2), x y in px of the image, or (K, 3) with a visibility: 0 is not labelled.
        attack: As ``"part-blackout:left_arm"`` or ``"keypoint-blur:nose@9+decoys:6"``.
        labelled: Shape (K,), bool; None: by the visibility, else where ``keypoints`` are finite.
        skeleton: Whose keypoints and parts: ``coco``, ``mpii``, ``crowdpose``, ``lsp`` or ``flic``.
        protocol: ``corrected`` or ``thesis``.
        seed: Of placements that are random.

    Returns:
        A new array; equal to the image where the person lacks the labels that the attack needs.

    Raises:
        OccbenchError: An argument has the wrong shape, or names what does not exist.
    """
    from ..attacks import PROTOCOLS, SKELETONS, Attack, person_rng, place
    from ..attacks import occlude as paint

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
    points = np.asarray(keypoints, dtype=np.float64)
    count = len(body.keypoints)
    if points.shape not in ((count, 2), (count, 3)):
        raise OccbenchError(f"keypoints must have shape ({count}, 2) or ({count}, 3), but got {points.shape}")
    if image.ndim != 3 or image.dtype != np.uint8:
        raise OccbenchError(f"the image must have shape (H, W, C) and dtype uint8, but got {image.shape} {image.dtype}")
    there = np.all(np.isfinite(points[:, :2]), axis=1)
    if labelled is not None:
        there &= np.asarray(labelled, dtype=bool)
    elif points.shape[1] == 3:
        there &= points[:, 2] > 0
    places = np.where(there[:, None], points[:, :2], 0.0)
    rng = person_rng(seed, 0, wanted.level, wanted.target)
    occluders = place(wanted, body, places, there, image.shape[:2], protocol, rng)
    return paint(image, occluders, wanted, protocol).copy()
