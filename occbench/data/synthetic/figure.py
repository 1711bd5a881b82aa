"""A clothed figure: the primitives that make up one person's body, and which keypoints the camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .appearance import Look, chest_paint, flat, head_paint, sample_look, sleeve_paint
from .poses import sample_pose
from .skeleton import SIDES, Array, Body, Pose, Skeleton, sample_body, solve
from .surfaces import Capsule, Ellipsoid, Floats, Paint, Primitive

# How far a keypoint may lie beneath the surface in front of it and still count as visible: about 1.5 times the
# radius of its own joint. Metres for an average girth; face points lie on the surface itself.
MARGINS = np.array([0.03, 0.025, 0.025, 0.04, 0.04, 0.12, 0.12, 0.075, 0.075, 0.06, 0.06, 0.15, 0.15,
                    0.1, 0.1, 0.07, 0.07])  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One person: proportions, pose, look, and the joints in the camera frame."""

    body: Body
    pose: Pose
    look: Look
    skeleton: Skeleton


def sample_figure(rng: np.random.Generator, kind: str | None = None) -> Figure:
    """Draw a person; ``kind`` fixes the kind of pose (a key of :data:`occbench.data.synthetic.poses.KINDS`)."""
    body, pose, look = sample_body(rng), sample_pose(rng, kind), sample_look(rng)
    return Figure(body, pose, look, solve(body, pose))


def margins(body: Body) -> Array:
    """:data:`MARGINS` for this body, Shape: (17,), metres."""
    scaled = MARGINS.copy()
    scaled[5:] *= body.girth
    return scaled


def primitives(figure: Figure) -> list[Primitive]:
    """Every surface of the person, in the camera frame."""
    return [*_torso(figure), *_head(figure), *_arms(figure), *_legs(figure)]


def _torso(figure: Figure) -> list[Primitive]:
    body, look, points, frames = figure.body, figure.look, figure.skeleton.points, figure.skeleton.frames
    pelvis, middle, chest = frames["pelvis"], frames["middle"], frames["chest"]
    waist, collar = points["waist"], points["collar"]
    girth, shoulder, hip = body.girth, body.shoulder, body.hip
    shirt = chest_paint(look, body.upper_spine)
    belt = _pelvis_paint(look, body)

    def capsule(a: Array, b: Array, ra: float, rb: float, paint: Paint, origin: Array, frame: Array) -> Capsule:
        return Capsule(a, b, ra * girth, rb * girth, paint, origin, frame)

    bar = [collar + chest @ np.array([sign * 0.72 * shoulder, -0.035, 0]) for sign in (1, -1)]
    shapes: list[Primitive] = [capsule(bar[0], bar[1], 0.07, 0.07, shirt, collar, chest)]
    for sign in (1.0, 0.0, -1.0):
        top = collar + chest @ np.array([sign * 0.55 * shoulder, -0.07, 0])
        mid = waist + middle @ np.array([sign * 0.75 * hip, 0, 0])
        low = points["pelvis"] + pelvis @ np.array([sign * 0.9 * hip, 0.01, 0])
        shapes.append(capsule(top, mid, 0.092, 0.082, shirt, collar, chest))
        shapes.append(capsule(mid, low, 0.08, 0.088, belt, points["pelvis"], pelvis))
    return shapes


def _pelvis_paint(look: Look, body: Body) -> Paint:
    def paint(points: Floats) -> Floats:
        above = points[:, 1] > 0.45 * body.lower_spine
        return np.where(above[:, None], look.shirt.paint(points), look.trousers.paint(points))

    return paint


def _head(figure: Figure) -> list[Primitive]:
    body, look, points = figure.body, figure.look, figure.skeleton.points
    frame, centre = figure.skeleton.frames["head"], points["head"]
    width, height, depth = body.head
    skin, hair = flat(look.skin), flat(look.hair)

    def at(x: float, y: float, z: float) -> Array:
        return centre + frame @ np.array([x * width, y * height, z * depth])

    neck = Capsule(points["collar"], at(0, -0.4, -0.1), 0.055 * body.girth, 0.05 * body.girth, skin, centre, frame)
    nose = Capsule(at(0, 0.08, 0.93), at(0, -0.16, 1.04), 0.1 * width, 0.19 * width, flat(look.skin * 0.93), centre,
                   frame)  # fmt: skip
    shapes: list[Primitive] = [neck, nose, Ellipsoid(centre, body.head, head_paint(look, body.head), frame)]
    for side in SIDES:
        ear = points[f"{side}_ear"]
        shapes.append(Ellipsoid(ear, (0.16 * width, 0.28 * height, 0.2 * depth), flat(look.skin * 0.88), frame))
    if look.hairline < 1:
        shapes.append(Ellipsoid(at(0, 0.24, -0.2), (1.05 * width, 0.86 * height, 0.92 * depth), hair, frame))
    if look.long_hair:
        shapes.append(Capsule(at(0, 0.1, -0.5), at(0, -1.5, -0.75), 0.72 * width, 0.6 * width, hair, centre, frame))
    return shapes


def _limb(figure: Figure, ends: tuple[str, str], radii: tuple[float, float], paint: Paint, frame: str) -> Capsule:
    a, b = (figure.skeleton.points[end] for end in ends)
    girth = figure.body.girth
    return Capsule(a, b, radii[0] * girth, radii[1] * girth, paint, a, figure.skeleton.frames[frame])


def _arms(figure: Figure) -> list[Primitive]:
    body, look = figure.body, figure.look
    shapes: list[Primitive] = []
    for s in SIDES:
        upper = sleeve_paint(look.shirt, look.skin, body.upper_arm, look.sleeve)
        fore = sleeve_paint(look.shirt, look.skin, body.forearm, look.sleeve - 1)
        shapes.append(_limb(figure, (f"{s}_shoulder", f"{s}_elbow"), (0.06, 0.043), upper, f"{s}_upper"))
        shapes.append(_limb(figure, (f"{s}_elbow", f"{s}_wrist"), (0.043, 0.029), fore, f"{s}_fore"))
        shapes.append(_limb(figure, (f"{s}_wrist", f"{s}_hand"), (0.033, 0.03), flat(look.skin), f"{s}_fore"))
    return shapes


def _legs(figure: Figure) -> list[Primitive]:
    body, look = figure.body, figure.look
    shapes: list[Primitive] = []
    for s in SIDES:
        thigh = sleeve_paint(look.trousers, look.skin, body.thigh, look.trouser)
        shank = sleeve_paint(look.trousers, look.skin, body.shank, look.trouser - 1)
        shapes.append(_limb(figure, (f"{s}_hip", f"{s}_knee"), (0.085, 0.058), thigh, f"{s}_thigh"))
        shapes.append(_limb(figure, (f"{s}_knee", f"{s}_ankle"), (0.056, 0.037), shank, f"{s}_shank"))
        shapes.append(_limb(figure, (f"{s}_heel", f"{s}_toe"), (0.042, 0.033), flat(look.shoes), f"{s}_shank"))
    return shapes
