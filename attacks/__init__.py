"""What is hidden and how: targets, regions, fills, placements. numpy and OpenCV only."""

from .attack import (
    CENTRED,
    DEFAULT_RADIUS,
    FILLS,
    GROUPS,
    KINDS,
    LEVELS,
    PLACEMENTS,
    PROTOCOLS,
    Attack,
    Placement,
    Radius,
    expand_kinds,
    make_suite,
)
from .fills import mean_colour
from .occlude import Occluders, has_target, occlude, place
from .photo import Subject, occlude_photo, place_in_photo
from .placement import person_rng
from .targets import COCO, CROWDPOSE, FLIC, LSP, MPII, SKELETONS, Skeleton

__all__ = [
    "CENTRED",
    "COCO",
    "CROWDPOSE",
    "DEFAULT_RADIUS",
    "FILLS",
    "FLIC",
    "GROUPS",
    "KINDS",
    "LEVELS",
    "LSP",
    "MPII",
    "PLACEMENTS",
    "PROTOCOLS",
    "SKELETONS",
    "Attack",
    "Occluders",
    "Placement",
    "Radius",
    "Skeleton",
    "Subject",
    "expand_kinds",
    "has_target",
    "make_suite",
    "mean_colour",
    "occlude",
    "occlude_photo",
    "person_rng",
    "place",
    "place_in_photo",
]
