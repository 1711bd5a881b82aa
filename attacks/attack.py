"""An attack: what is hidden, how, how large and where (PROTOCOL sections 2 to 4 and 8)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .targets import Skeleton

LEVELS = ("keypoint", "part")
FILLS = ("blackout", "meanout", "blur")
KINDS = tuple(f"{level}-{fill}" for level in LEVELS for fill in FILLS)
GROUPS = {
    "keypoint-all": KINDS[: len(FILLS)],
    "part-all": KINDS[len(FILLS) :],
    "all": KINDS,
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
_NAME = re.compile(
    r"(?P<level>[a-z]+)-(?P<fill>[a-z]+):(?P<target>[^@+]+)(@(?P<radius>\d+(\.\d+)?(e[+-]?\d+)?))?(\+(?P<placement>[a-z]+(:\d+)?))?"
)


@dataclass(frozen=True)
class Attack:
    """One way to hide one target; every person of a cell gets the same attack.

    Attributes:
        level: ``"keypoint"`` or ``"part"``.
        fill: ``"blackout"``, ``"meanout"`` or ``"blur"``.
        target: Name of the keypoint or part.
        radius: Crop px: the disc's radius, or how far a part's rectangle reaches beyond its keypoints.
        placement: Where the occluders stand.
    """

    level: str
    fill: str
    target: str
    radius: float = DEFAULT_RADIUS
    placement: Placement = CENTRED

    def __post_init__(self) -> None:
        if self.level not in LEVELS or self.fill not in FILLS:
            raise ValueError(f"an attack must be one of {', '.join(KINDS)}, but got {self.level}-{self.fill}")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"the radius must be a positive number of crop px, but got {self.radius:g}")

    @property
    def name(self) -> str:
        """Its textual name, e.g. ``part-blackout:left_arm`` or ``keypoint-blur:nose@9+decoys:6``."""
        # repr, not :g, which drops digits: two radii never share a name, and so never a cell's file.
        size = "" if self.radius == DEFAULT_RADIUS else "@" + repr(float(self.radius)).removesuffix(".0")
        where = "" if self.placement == CENTRED else f"+{self.placement}"
        return f"{self.level}-{self.fill}:{self.target}{size}{where}"

    @classmethod
    def parse(cls, name: str) -> Attack:
        """Read a textual name, as :attr:`name` gives it.

        Raises:
            ValueError: It is none.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(
                f"an attack is called LEVEL-FILL:TARGET[@RADIUS][+PLACEMENT], as part-blackout:left_arm or "
                f"keypoint-blur:nose@9+decoys:6, but got {name!r}"
            )
        placement = CENTRED if match["placement"] is None else Placement.parse(match["placement"])
        radius = DEFAULT_RADIUS if match["radius"] is None else float(match["radius"])
        return cls(match["level"], match["fill"], match["target"], radius, placement)

    @property
    def slug(self) -> str:
        """Its name as a file name."""
        return self.name.replace(":", "_").replace("@", "_r").replace("+", "_")


def expand_kinds(kinds: Iterable[str]) -> list[str]:
    """Replace ``keypoint-all``, ``part-all`` and ``all`` by the kinds they stand for; order kept, no repeats."""
    return list(dict.fromkeys(kind for given in kinds for kind in GROUPS.get(given, (given,))))


def make_suite(
    skeleton: Skeleton,
    kinds: Sequence[str],
    targets: Sequence[str] = (),
    radii: Sequence[float] = (DEFAULT_RADIUS,),
    placements: Sequence[Placement] = (CENTRED,),
) -> list[Attack]:
    """Every attack that the arguments ask for, one per cell, in a fixed order.

    Args:
        skeleton: Whose targets can be attacked.
        kinds: Members of :data:`KINDS` or :data:`GROUPS`.
        targets: Names to attack; empty for every target of each kind's level. A name stands for the level that has it.
        radii: Sizes in crop px.
        placements: Where the occluders stand.

    Raises:
        ValueError: A kind is unknown, or a target belongs to none of the kinds' levels.
    """
    suite = []
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
                suite += [Attack(level, fill, target, r, p) for r in dict.fromkeys(radii) for p in placements]
    return list(dict.fromkeys(suite))
