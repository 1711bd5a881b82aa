"""What is hidden and how: targets, regions, fills, placements. numpy and OpenCV only."""

from .attack import (
    CENTRED,
    DEFAULT_RADIUS,
    DRAWN_FILLS,
    FILLS,
    GROUPS,
    KINDS,
    LEVELS,
    PLACEMENTS,
    PROTOCOLS,
    THESIS_FILLS,
    WORLD_FILLS,
    Attack,
    Placement,
    Radius,
    expand_kinds,
    make_suite,
)
from .donors import Donors
from .fills import mean_colour
from .material import Draw, Material, content_rng
from .objects import Cutout, Cutouts, drawn_cutouts
from .occlude import Occluders, has_target, occlude, place
from .photo import Subject, occlude_photo, place_in_photo
from .placement import person_rng
from .targets import COCO, CROWDPOSE, FLIC, LSP, MPII, SKELETONS, Skeleton

__all__ = [
    "CENTRED",
    "COCO",
    "CROWDPOSE",
    "DEFAULT_RADIUS",
    "DRAWN_FILLS",
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
    "THESIS_FILLS",
    "WORLD_FILLS",
    "Attack",
    "Cutout",
    "Cutouts",
    "Donors",
    "Draw",
    "Material",
    "Occluders",
    "Placement",
    "Radius",
    "Skeleton",
    "Subject",
    "content_rng",
    "drawn_cutouts",
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
