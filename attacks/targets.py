"""What can be hidden: the keypoints and the parts of a data set's skeleton (PROTOCOL section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a data set, in their order, and the parts that group them.

    Attributes:
        name: Name of the data set family, e.g. ``"coco"``.
        keypoints: Keypoint names, in the order of the annotation arrays.
        parts: Part name to the names of its keypoints, limbs from the body outwards.
    """

    name: str
    keypoints: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for part, members in self.parts.items():
            unknown = [m for m in members if m not in self.keypoints]
            if unknown:
                raise ValueError(f"part {part!r} of skeleton {self.name!r} has unknown keypoints {unknown}")

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


def _both(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints for side in _SIDES)


def _limb(side: str, joints: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints)


_COCO_KEYPOINTS = _FACE + _both(*_ARM, *_LEG)

COCO = Skeleton(
    name="coco",
    keypoints=_COCO_KEYPOINTS,
    parts=MappingProxyType(
        {
            "head": _FACE,
            "left_arm": _limb("left", _ARM),
            "right_arm": _limb("right", _ARM),
            "hip": _both("hip"),
            "left_leg": _limb("left", _LEG),
            "right_leg": _limb("right", _LEG),
            "corpus": _both("shoulder", "hip"),
            "upper_body": _FACE + _both(*_ARM, "hip"),
            "lower_body": _both(*_LEG),
            "left_side": tuple(k for k in _COCO_KEYPOINTS if k.startswith("left_")),
            "right_side": tuple(k for k in _COCO_KEYPOINTS if k.startswith("right_")),
        }
    ),
)
