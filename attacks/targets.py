"""What can be hidden: the keypoints and the parts of a data set's skeleton (PROTOCOL section 2).

Names, flip pairs, sigmas and edges are those of MMPose's description of the data set where it has one (COCO, MPII,
CrowdPose); OCHuman has COCO's. LSP and FLIC have none: their names follow MPII's and COCO's, and their sigmas are
COCO's of the same joints (CrowdPose's of neck and top of the head).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a data set, in their order, and the parts that group them.

    Attributes:
        name: Name of the data set family, e.g. ``"coco"``.
        keypoints: Keypoint names, in the order of the annotation arrays.
        parts: Part name to the names of its keypoints, limbs from the body outwards.
        flip_pairs: Keypoints that change places in a mirrored picture.
        sigmas: One OKS sigma per keypoint.
        edges: The lines that are drawn between keypoints.

    Raises:
        ValueError: The fields contradict each other; the message names the keypoint.
    """

    name: str
    keypoints: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    flip_pairs: tuple[tuple[str, str], ...] = ()
    sigmas: tuple[float, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        named: list[tuple[str, tuple[str, ...]]] = [(f"part {part!r}", names) for part, names in self.parts.items()]
        named += [(f"flip pair {pair}", pair) for pair in self.flip_pairs]
        named += [(f"edge {edge}", edge) for edge in self.edges]
        for what, members in named:
            unknown = [m for m in members if m not in self.keypoints]
            if unknown:
                raise ValueError(f"{what} of skeleton {self.name!r} has unknown keypoints {unknown}")
            if len(set(members)) < len(members):
                raise ValueError(f"{what} of skeleton {self.name!r} has a keypoint twice")
        flipped = [name for pair in self.flip_pairs for name in pair]
        for what, names in (("keypoint", self.keypoints), ("flipped keypoint", flipped)):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{what} {twice!r} of skeleton {self.name!r} occurs twice")
        clash = next((part for part in self.parts if part in self.keypoints), None)
        if clash is not None:
            raise ValueError(f"part {clash!r} of skeleton {self.name!r} has the name of a keypoint")
        if self.sigmas and len(self.sigmas) != len(self.keypoints):
            raise ValueError(
                f"skeleton {self.name!r} has {len(self.sigmas)} sigmas for its {len(self.keypoints)} keypoints"
            )
        if not all(math.isfinite(sigma) and sigma > 0 for sigma in self.sigmas):
            raise ValueError(f"a sigma of skeleton {self.name!r} is no positive number")

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """For each keypoint the index of the one that stands in its place in a mirrored picture."""
        other = dict(self.flip_pairs) | {b: a for a, b in self.flip_pairs}
        return tuple(self.keypoints.index(other.get(name, name)) for name in self.keypoints)

    def targets(self, level: str) -> tuple[str, ...]:
        """Names of everything that can be attacked at ``level`` (``"keypoint"`` or ``"part"``)."""
        return self.keypoints if level == "keypoint" else tuple(self.parts)

    def indices(self, level: str, target: str) -> list[int]:
        """Indices into the keypoint arrays of the keypoints that ``target`` consists of."""
        names = (target,) if level == "keypoint" else self.parts[target]
        return [self.keypoints.index(name) for name in names]


_SIDES = ("left", "right")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_ARM = ("shoulder", "elbow", "wrist")
_LEG = ("hip", "knee", "ankle")
_OKS = {"shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089} | {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
}
"""COCO's sigmas, by joint."""


def _both(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints for side in _SIDES)


def _limb(side: str, joints: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints)


def _parts(keypoints: tuple[str, ...], head: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """The protocol's parts, in its order; those of legs only where the data set has legs."""
    parts = {
        "head": head,
        "left_arm": _limb("left", _ARM),
        "right_arm": _limb("right", _ARM),
        "hip": _both("hip"),
        "left_leg": _limb("left", _LEG),
        "right_leg": _limb("right", _LEG),
        "corpus": _both("shoulder", "hip"),
        "upper_body": head + _both(*_ARM, "hip"),
        "lower_body": _both(*_LEG),
        "left_side": tuple(k for k in keypoints if k.startswith("left_")),
        "right_side": tuple(k for k in keypoints if k.startswith("right_")),
    }
    return MappingProxyType({part: members for part, members in parts.items() if set(members) <= set(keypoints)})


def _pairs(keypoints: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    lefts = (k.removeprefix("left_") for k in keypoints if k.startswith("left_"))
    return tuple((f"left_{joint}", f"right_{joint}") for joint in lefts)


def _sigmas(keypoints: tuple[str, ...], **other: float) -> tuple[float, ...]:
    """COCO's, or ``other`` by name."""
    return tuple(other[k] if k in other else _OKS[k.removeprefix("left_").removeprefix("right_")] for k in keypoints)


def _edges(*lines: str) -> tuple[tuple[str, str], ...]:
    """Edges along chains of joints, ``"a b c"``; ``*`` stands for each side in turn."""
    edges: list[tuple[str, str]] = []
    for line in lines:
        for side in _SIDES if "*" in line else ("",):
            chain = line.replace("*", f"{side}_").split()
            edges += pairwise(chain)
    return tuple(edges)


_COCO = _FACE + _both(*_ARM, *_LEG)
COCO = Skeleton(
    "coco",
    _COCO,
    _parts(_COCO, _FACE),
    _pairs(_COCO),
    _sigmas(_COCO),
    _edges(
        *("*ankle *knee *hip", "left_hip right_hip", "*shoulder *hip", "left_shoulder right_shoulder"),
        *("*shoulder *elbow *wrist", "left_eye right_eye", "nose *eye *ear *shoulder"),
    ),
)

_RIGHT_LEG_UP = ("right_ankle", "right_knee", "right_hip")
_RIGHT_ARM_UP = ("right_wrist", "right_elbow", "right_shoulder")

_MPII = (
    *_RIGHT_LEG_UP,
    *_limb("left", _LEG),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *_RIGHT_ARM_UP,
    *_limb("left", _ARM),
)
MPII = Skeleton(
    "mpii",
    _MPII,
    _parts(_MPII, ("upper_neck", "head_top")),
    _pairs(_MPII),
    (
        *(0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026),
        *(0.062, 0.072, 0.179, 0.179, 0.072, 0.062),
    ),
    _edges("*ankle *knee *hip pelvis", "pelvis thorax upper_neck head_top", "upper_neck *shoulder *elbow *wrist"),
)

_LSP = (*_RIGHT_LEG_UP, *_limb("left", _LEG), *_RIGHT_ARM_UP, *_limb("left", _ARM), "neck", "head_top")
LSP = Skeleton(
    "lsp",
    _LSP,
    _parts(_LSP, ("neck", "head_top")),
    _pairs(_LSP),
    _sigmas(_LSP, neck=0.079, head_top=0.079),
    _edges(
        "*ankle *knee *hip", "left_hip right_hip", "*hip *shoulder", "neck *shoulder *elbow *wrist", "neck head_top"
    ),
)

_FLIC = (
    *_limb("left", _ARM),
    *_limb("right", _ARM),
    *("left_hip", "right_hip", "left_eye", "right_eye", "nose"),
)
FLIC = Skeleton(
    "flic",
    _FLIC,
    _parts(_FLIC, ("left_eye", "right_eye", "nose")),
    _pairs(_FLIC),
    _sigmas(_FLIC),
    _edges("nose *eye", "left_shoulder right_shoulder", "*wrist *elbow *shoulder *hip", "left_hip right_hip"),
)

_CROWDPOSE = (*_both(*_ARM, *_LEG), "top_head", "neck")
CROWDPOSE = Skeleton(
    "crowdpose",
    _CROWDPOSE,
    _parts(_CROWDPOSE, ("neck", "top_head")),
    _pairs(_CROWDPOSE),
    _sigmas(_CROWDPOSE, top_head=0.079, neck=0.079),
    _edges(
        *("*ankle *knee *hip", "left_hip right_hip", "*shoulder *hip", "left_shoulder right_shoulder"),
        *("*shoulder *elbow *wrist", "top_head neck", "neck *shoulder"),
    ),
)

SKELETONS: Mapping[str, Skeleton] = MappingProxyType({s.name: s for s in (COCO, MPII, LSP, FLIC, CROWDPOSE)})
"""Every skeleton that has a name."""
