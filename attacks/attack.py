"""An attack: what is hidden, how, how large and where (PROTOCOL sections 2 to 4 and 8)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .targets import Skeleton

LEVELS = ("keypoint", "part")
THESIS_FILLS = ("blackout", "meanout", "blur")
WORLD_FILLS = ("noise", "inpaint", "person", "object")
"""Beyond the thesis (PROTOCOL section 10)."""
DRAWN_FILLS = ("noise", "person", "object")
"""Those whose content is drawn at random, by person and target."""
FILLS = THESIS_FILLS + WORLD_FILLS


def _kinds(levels: Sequence[str], fills: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{level}-{fill}" for level in levels for fill in fills)


KINDS = _kinds(LEVELS, THESIS_FILLS) + _kinds(LEVELS, WORLD_FILLS)
GROUPS = {
    "keypoint-all": _kinds(["keypoint"], THESIS_FILLS),
    "part-all": _kinds(["part"], THESIS_FILLS),
    "all": _kinds(LEVELS, THESIS_FILLS),
    "keypoint-world": _kinds(["keypoint"], WORLD_FILLS),
    "part-world": _kinds(["part"], WORLD_FILLS),
}
PROTOCOLS = ("corrected", "thesis")
PLACEMENTS = ("centred", "jittered", "decoys", "placebo")
DEFAULT_RADIUS = 6.0
MAX_DECOYS = 100


@dataclass(frozen=True)
class Placement:
    """Where the occluders stand relative to the target (PROTOCOL section 8).

    Attributes:
        kind: One of :data:`PLACEMENTS`.
        decoys: How many decoys stand beside the true occluder; only for ``decoys``.

    Raises:
        ValueError: The kind is unknown, or the number of decoys does not go with it.
    """

    kind: str = "centred"
    decoys: int = 0

    def __post_init__(self) -> None:
        counts = range(1, MAX_DECOYS + 1) if self.kind == "decoys" else range(1)
        if self.kind not in PLACEMENTS or self.decoys not in counts:
            raise _unknown_placement(f"{self.kind}:{self.decoys}")

    def __str__(self) -> str:
        return f"decoys:{self.decoys}" if self.kind == "decoys" else self.kind

    @property
    def elsewhere(self) -> int:
        """How many occluders are wanted elsewhere on the person."""
        return self.decoys if self.kind == "decoys" else int(self.kind == "placebo")

    @classmethod
    def parse(cls, text: str) -> Placement:
        """Read ``centred``, ``jittered``, ``decoys:N`` or ``placebo``.

        Raises:
            ValueError: It is none of them.
        """
        kind, _, count = text.partition(":")
        if kind == "decoys" and count.isdecimal() and 1 <= int(count) <= MAX_DECOYS:
            return cls(kind, int(count))
        if text in PLACEMENTS and text != "decoys":
            return cls(text)
        raise _unknown_placement(text)


def _unknown_placement(text: str) -> ValueError:
    return ValueError(
        f"unknown placement {text!r}; it is centred, jittered, placebo or decoys:N with N from 1 to {MAX_DECOYS}"
    )


CENTRED = Placement()


@dataclass(frozen=True)
class Radius:
    """A radius that goes with the crop: models of other input sizes are then hidden the same share of a person.

    Attributes:
        share: Of the crop's width.

    Raises:
        ValueError: It is no share.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"a radius is at most the crop's width (1w), but got {self.share:g}w")

    def __str__(self) -> str:
        return _digits(self.share) + "w"

    @classmethod
    def parse(cls, text: str) -> float | Radius:
        """Read ``6`` (crop px) or ``0.03w`` (of the crop's width).

        Raises:
            ValueError: It is neither.
        """
        return cls(float(text[:-1])) if text.endswith("w") else float(text)


def _digits(number: float) -> str:
    # repr, not :g, which drops digits: two radii never share a name, and so never a cell's file.
    return repr(float(number)).removesuffix(".0")


_NAME = re.compile(
    r"(?P<level>[a-z]+)-(?P<fill>[a-z]+):(?P<target>[^@+]+)(@(?P<radius>\d+(\.\d+)?(e[+-]?\d+)?w?))?(\+(?P<placement>[a-z]+(:\d+)?))?"
)


@dataclass(frozen=True)
class Attack:
    """One way to hide one target; every person of a cell gets the same attack.

    Attributes:
        level: ``"keypoint"`` or ``"part"``.
        fill: One of :data:`FILLS`.
        target: Name of the keypoint or part.
        radius: Crop px: the disc's radius, or how far a part's rectangle reaches beyond its keypoints.
        placement: Where the occluders stand.
        share: What the radius is of the crop's width, where it was given so; its name has that in place of the px.
    """

    level: str
    fill: str
    target: str
    radius: float = DEFAULT_RADIUS
    placement: Placement = CENTRED
    share: float | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS or self.fill not in FILLS:
            raise ValueError(f"an attack must be one of {', '.join(KINDS)}, but got {self.level}-{self.fill}")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"the radius must be a positive number of crop px, but got {self.radius:g}")

    @property
    def name(self) -> str:
        """Its textual name, e.g. ``part-blackout:left_arm`` or ``keypoint-blur:nose@9+decoys:6``."""
        size = "" if self.radius == DEFAULT_RADIUS else "@" + _digits(self.radius)
        size = size if self.share is None else f"@{Radius(self.share)}"
        where = "" if self.placement == CENTRED else f"+{self.placement}"
        return f"{self.level}-{self.fill}:{self.target}{size}{where}"

    @classmethod
    def parse(cls, name: str, width: float | None = None) -> Attack:
        """Read a textual name, as :attr:`name` gives it.

        Args:
            name: The name.
            width: Of the crop, px, for a radius that goes with it.

        Raises:
            ValueError: It is none, or its radius goes with a crop whose width is not known.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(
                f"an attack is called LEVEL-FILL:TARGET[@RADIUS][+PLACEMENT], as part-blackout:left_arm or "
                f"keypoint-blur:nose@9+decoys:6, but got {name!r}"
            )
        placement = CENTRED if match["placement"] is None else Placement.parse(match["placement"])
        radius = DEFAULT_RADIUS if match["radius"] is None else Radius.parse(match["radius"])
        pixels, share = in_pixels(radius, width)
        return cls(match["level"], match["fill"], match["target"], pixels, placement, share)

    @property
    def drawn(self) -> bool:
        """Whether chance decides anything of it: where it is painted, or what."""
        return self.placement.kind != "centred" or self.fill in DRAWN_FILLS

    @property
    def slug(self) -> str:
        """Its name as a file name."""
        return self.name.replace(":", "_").replace("@", "_r").replace("+", "_")


def in_pixels(radius: float | Radius, width: float | None) -> tuple[float, float | None]:
    """A radius in crop px, and the share of the crop's width where it was given so.

    Args:
        radius: Crop px, or what goes with the crop.
        width: Of the crop, px.

    Raises:
        ValueError: It goes with a crop whose width is not known.
    """
    if not isinstance(radius, Radius):
        return float(radius), None
    if width is None:
        raise ValueError(f"a radius of {radius} goes with the crop, whose width is not known here: give it in px")
    return radius.share * width, radius.share


def expand_kinds(kinds: Iterable[str]) -> list[str]:
    """Replace the names of :data:`GROUPS` by the kinds they stand for; order kept, no repeats."""
    return list(dict.fromkeys(kind for given in kinds for kind in GROUPS.get(given, (given,))))


def make_suite(
    skeleton: Skeleton,
    kinds: Sequence[str],
    targets: Sequence[str] = (),
    radii: Sequence[float | Radius] = (DEFAULT_RADIUS,),
    placements: Sequence[Placement] = (CENTRED,),
    width: float | None = None,
) -> list[Attack]:
    """Every attack that the arguments ask for, one per cell, in a fixed order.

    Args:
        skeleton: Whose targets can be attacked.
        kinds: Members of :data:`KINDS` or :data:`GROUPS`.
        targets: Names to attack; empty for every target of each kind's level. A name stands for the level that has it.
        radii: Sizes, in crop px or of the crop's width.
        placements: Where the occluders stand.
        width: Of the crop, px, for radii that go with it.

    Raises:
        ValueError: A kind is unknown, a target belongs to none of the kinds' levels, or a radius goes with a crop whose
            width is not known.
    """
    suite = []
    sizes: dict[float, float | None] = {}
    for radius in radii:
        pixels, share = in_pixels(radius, width)
        sizes.setdefault(pixels, share)
    expanded = expand_kinds(kinds)
    for kind in expanded:
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; it is one of {', '.join([*KINDS, *GROUPS])}")
    levels = {kind.split("-")[0] for kind in expanded}
    for target in targets:
        if not any(target in skeleton.targets(level) for level in levels):
            raise ValueError(f"target {target!r} cannot be attacked by {', '.join(kinds)}")
    for kind in expanded:
        level, _, fill = kind.partition("-")
        for target in skeleton.targets(level):
            if not targets or target in targets:
                suite += [Attack(level, fill, target, r, p, share) for r, share in sizes.items() for p in placements]
    return list(dict.fromkeys(suite))
