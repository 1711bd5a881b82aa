"""The same losses on a body: how people talk about them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, PathPatch, Polygon
from matplotlib.path import Path

from ..reading.drops import NO_DROP, Drop, largest
from ..reading.names import number, short_name
from .matrix import tint
from .style import INK, MUTED, PAPER, WIDTH, new_figure, styled

# A person who faces the viewer, so that the person's left is on the right; y upwards, ankles at 0.
_RIGHT_OF_PICTURE = {
    "eye": (0.36, 9.72),
    "ear": (0.92, 9.38),
    "shoulder": (1.45, 7.3),
    "elbow": (2.05, 5.5),
    "wrist": (2.45, 3.8),
    "hip": (0.85, 4.1),
    "knee": (0.98, 2.05),
    "ankle": (1.05, 0.0),
}
_MIDDLE = {
    "nose": (0.0, 9.3),
    "head_top": (0.0, 10.45),
    "top_head": (0.0, 10.45),
    "upper_neck": (0.0, 8.1),
    "neck": (0.0, 8.1),
    "thorax": (0.0, 7.2),
    "pelvis": (0.0, 4.1),
}
PLACES: dict[str, tuple[float, float]] = {
    **_MIDDLE,
    **{f"left_{joint}": (x, y) for joint, (x, y) in _RIGHT_OF_PICTURE.items()},
    **{f"right_{joint}": (-x, y) for joint, (x, y) in _RIGHT_OF_PICTURE.items()},
}
"""Where a keypoint of this name is on the body."""

HEAD = (0.0, 9.35, 1.02)  # x, y, radius
_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_LIMBS = {
    f"{side}_{name}": tuple(f"{side}_{j}" for j in joints)
    for side in ("left", "right")
    for name, joints in (("arm", _ARM), ("leg", _LEG))
}
_NUMBERS_OF_PARTS = {
    "head": (0.0, 9.35),
    "corpus": (0.0, 6.2),
    "hip": (0.0, 4.25),
    "left_arm": (2.75, 5.5),
    "right_arm": (-2.75, 5.5),
    "left_leg": (1.6, 1.9),
    "right_leg": (-1.6, 1.9),
}
SHAPES = tuple(_NUMBERS_OF_PARTS)
"""Parts that have a place of their own on the body; the others cover several of them."""


_GREY: dict[str, Any] = {"facecolor": MUTED, "edgecolor": "none", "alpha": 0.22}


@dataclass(frozen=True)
class Body:
    """Losses by target under one fill, to be drawn on one body."""

    fill: str
    losses: Mapping[str, Drop]


def drawable(targets: Sequence[str], level: str) -> bool:
    """Whether most of ``targets`` have a place on the body."""
    known = PLACES if level == "keypoint" else SHAPES
    return len(targets) > 0 and 2 * sum(target in known for target in targets) >= len(targets)


def plot_bodies(bodies: Sequence[Body], level: str) -> Figure:
    """One body per fill, one colour scale; a loss that cannot be told from zero is left blank."""
    deepest = max((largest(list(body.losses.values())) for body in bodies), default=0.0)
    with styled():
        figure = new_figure(WIDTH * max(len(bodies), 2) / 3, 3.9)
        grid = figure.subplots(1, max(len(bodies), 2), squeeze=False)[0]
        for axes in grid[len(bodies) :]:
            axes.set_visible(False)
        for axes, body in zip(grid, bodies, strict=False):
            set_stage(axes)
            axes.set_title(body.fill, loc="center")
            axes.text(-2.9, 0.3, "R", color=MUTED, ha="center", va="center")
            axes.text(2.9, 0.3, "L", color=MUTED, ha="center", va="center")
            if level == "keypoint":
                draw_silhouette(axes)
                _draw_joints(axes, body.losses, deepest)
            else:
                _draw_parts(axes, body.losses, deepest)
    return figure


def set_stage(axes: Axes) -> None:
    """Room for one body, without axes."""
    axes.set_xlim(-3.7, 3.7)
    axes.set_ylim(-1.9, 10.8)
    axes.set_aspect("equal")
    axes.axis("off")


def draw_silhouette(axes: Axes) -> None:
    """A body in faint grey, as one shape, so that nothing shows where its pieces overlap."""
    angles = [2 * math.pi * k / 40 for k in range(40)]
    head = [(HEAD[0] + HEAD[2] * math.cos(a), HEAD[1] + HEAD[2] * math.sin(a)) for a in angles]
    pieces = [_trunk(), head, *(_outline([PLACES[j] for j in joints], _width(joints)) for joints in _LIMBS.values())]
    paths = [Path(_turning_left(piece), closed=False) for piece in pieces]
    axes.add_patch(PathPatch(Path.make_compound_path(*paths), **_GREY))


def _turning_left(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """``points`` in the one direction in which overlapping shapes join rather than cancel."""
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True))
    return points if area > 0 else points[::-1]


def _width(joints: Sequence[str]) -> float:
    return 0.3 if joints[0].endswith("shoulder") else 0.4


def _trunk() -> list[tuple[float, float]]:
    (x, top), (hip, low) = _RIGHT_OF_PICTURE["shoulder"], _RIGHT_OF_PICTURE["hip"]
    top, low = top + 0.35, low - 0.3
    neck = [(-0.4, top + 0.25), (-0.4, HEAD[1] - 0.9), (0.4, HEAD[1] - 0.9), (0.4, top + 0.25)]
    return [
        (-hip - 0.35, low),
        (-hip - 0.25, low + 1.9),
        (-x + 0.1, top),
        *neck,
        (x - 0.1, top),
        (hip + 0.25, low + 1.9),
        (hip + 0.35, low),
    ]


def _outline(points: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """A limb of half-width ``width`` with round ends along ``points``, as one polygon."""

    def side(sign: int) -> list[tuple[float, float]]:
        found = []
        for i, (x, y) in enumerate(points):
            before, after = points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)]
            dx, dy = after[0] - before[0], after[1] - before[1]
            length = math.hypot(dx, dy)
            found.append((x - sign * dy / length * width, y + sign * dx / length * width))
        return found

    def cap(i: int, j: int) -> list[tuple[float, float]]:
        (x, y), (ox, oy) = points[i], points[j]
        start = math.atan2(y - oy, x - ox)
        return [
            (x + width * math.cos(start + a), y + width * math.sin(start + a))
            for a in (math.pi / 2 - k * math.pi / 10 for k in range(1, 10))
        ]

    return [*side(1), *cap(-1, -2), *reversed(side(-1)), *cap(0, 1)]


def _draw_joints(axes: Axes, losses: Mapping[str, Drop], deepest: float) -> None:
    for name, drop in losses.items():
        if name not in PLACES or math.isnan(drop.value):
            continue
        x, y = PLACES[name]
        radius = 0.3 if y < 9 else 0.22
        edge = MUTED if drop.indistinct else INK
        _cover(axes, Circle((x, y), radius), tint(drop, deepest), edge)
        dx, dy, ha = _beside(name, radius)
        colour = MUTED if drop.indistinct else INK
        axes.text(x + dx, y + dy, number(drop.value, 1), ha=ha, va="center", fontsize=7, color=colour, zorder=4)


def _beside(name: str, radius: float) -> tuple[float, float, str]:
    """Where the number of a joint stands, relative to it, and how it is aligned."""
    if name in _MIDDLE:
        return 0.0, -radius - 0.26, "center"
    side = 1 if name.startswith("left_") else -1
    if name.endswith("_eye"):
        return side * 0.12, 0.5, "center"
    if name.endswith("_hip"):
        return -side * 0.0, 0.55, "center"
    return side * (radius + 0.14), 0.0, "left" if side > 0 else "right"


def _draw_parts(axes: Axes, losses: Mapping[str, Drop], deepest: float) -> None:
    shapes: dict[str, Patch] = {"corpus": Polygon(_trunk())}
    for part, joints in _LIMBS.items():
        shapes[part] = Polygon(_outline([PLACES[j] for j in joints], _width(joints)))
    shapes["hip"] = Polygon(_outline([(-0.95, 4.25), (0.95, 4.25)], 0.42))
    shapes["head"] = Circle(HEAD[:2], HEAD[2])
    for part, shape in shapes.items():  # each covers those before it
        drop = losses.get(part, NO_DROP)
        known = not math.isnan(drop.value)
        _cover(axes, shape, tint(drop, deepest), INK if known and not drop.indistinct else MUTED)
    for part, (x, y) in _NUMBERS_OF_PARTS.items():
        drop = losses.get(part, NO_DROP)
        if not math.isnan(drop.value):
            ha = "center" if x == 0 else ("left" if x > 0 else "right")
            colour = MUTED if drop.indistinct else INK
            axes.text(x, y, number(drop.value, 1), ha=ha, va="center", fontsize=7.5, color=colour, zorder=4)
    others = [(p, d) for p, d in losses.items() if p not in SHAPES and not math.isnan(d.value)]
    lines = [f"{short_name(part)} {number(drop.value, 1)}" for part, drop in others[:6]]
    text = "\n".join("  ·  ".join(lines[i : i + 2]) for i in range(0, len(lines), 2))
    axes.text(0, -1.05, text, ha="center", va="top", fontsize=7, color=INK)


def _cover(axes: Axes, shape: Patch, colour: tuple[float, float, float, float], edge: str) -> None:
    """Add ``shape`` in a translucent colour that lets nothing of what is under it through."""
    ground = copy(shape)
    ground.set(facecolor=PAPER, edgecolor="none", zorder=3)
    shape.set(facecolor=colour, edgecolor=edge, linewidth=0.8, zorder=3)
    axes.add_patch(ground)
    axes.add_patch(shape)
