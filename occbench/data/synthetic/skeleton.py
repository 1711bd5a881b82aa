"""A jointed figure in three dimensions: body proportions, joint angles, and the joints they put in space.

Body frame: +x is the person's own left, +y up, +z where the person faces; the origin lies midway between the hips.
Camera frame: +x right in the image, +y up, +z towards the camera. A person with yaw 0 faces the camera, so their left
is on the image's right, as in a photograph. Lengths are metres, angles radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIDES = ("left", "right")
KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """Lengths in metres; ``shoulder`` and ``hip`` are half widths, ``head`` the semi-axes (width, height, depth)."""

    shoulder: float
    hip: float
    lower_spine: float
    upper_spine: float
    neck: float
    head: tuple[float, float, float]
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shank: float
    foot: float
    girth: float  # factor on every limb's radius


@dataclass(frozen=True)
class Arm:
    """Shoulder flexion (forward), abduction (sideways), inward twist, and elbow flexion, in radians."""

    flexion: float
    abduction: float
    twist: float
    elbow: float


@dataclass(frozen=True)
class Leg:
    """Hip flexion, abduction, outward twist, and knee flexion, in radians."""

    flexion: float
    abduction: float
    twist: float
    knee: float


@dataclass(frozen=True)
class Pose:
    """Joint angles, and how the camera sees the figure (``yaw``, ``pitch``, ``roll``), in radians."""

    kind: str
    yaw: float
    pitch: float
    roll: float
    lean: float
    bend: float
    side_bend: float
    spine_twist: float
    head_pitch: float
    head_yaw: float
    head_roll: float
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]


@dataclass(frozen=True)
class Skeleton:
    """Joints and frames in the camera frame.

    Attributes:
        points: name -> (3,) position in metres, the 17 COCO keypoints and the helper points.
        frames: name -> (3, 3) rotation from the part's own frame into the camera frame.
    """

    points: dict[str, Array]
    frames: dict[str, Array]

    def keypoints(self) -> Array:
        """The 17 COCO keypoints, Shape: (17, 3), metres, camera frame."""
        return np.stack([self.points[name] for name in KEYPOINTS])


def rot_x(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float64)


def rot_y(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=np.float64)


def rot_z(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float64)


def sample_body(rng: np.random.Generator) -> Body:
    """Proportions of one person: an adult's or a child's, as shares of the height, each with its own spread."""
    child = rng.random() < 0.15
    height = rng.uniform(1.05, 1.4) if child else rng.uniform(1.5, 1.95)

    def share(mean: float, spread: float = 0.06) -> float:
        return float(height * mean * np.clip(rng.normal(1.0, spread), 1 - 2.2 * spread, 1 + 2.2 * spread))

    skull = (1.25 if child else 1.0) * rng.uniform(0.97, 1.15)
    return Body(
        shoulder=share(0.107, 0.08),
        hip=share(0.056, 0.09),
        lower_spine=share(0.115),
        upper_spine=share(0.175),
        neck=share(0.104),
        head=(share(0.046, 0.05) * skull, share(0.068, 0.04) * skull, share(0.056, 0.04) * skull),
        upper_arm=share(0.172),
        forearm=share(0.145),
        hand=share(0.062),
        thigh=share(0.243),
        shank=share(0.237),
        foot=share(0.105),
        girth=float(height / 1.7 * rng.uniform(0.86, 1.32)),
    )


def solve(body: Body, pose: Pose) -> Skeleton:
    """Forward kinematics: where the joints are, in the camera frame, with the hips' midpoint at the origin."""
    view = rot_z(pose.roll) @ rot_x(pose.pitch) @ rot_y(pose.yaw)
    points: dict[str, Array] = {}
    frames: dict[str, Array] = {}

    pelvis = view @ rot_x(pose.lean)
    half = rot_z(pose.side_bend / 2) @ rot_y(pose.spine_twist / 2) @ rot_x(pose.bend / 2)
    middle = pelvis @ half
    chest = middle @ half
    head = chest @ rot_y(pose.head_yaw) @ rot_x(pose.head_pitch) @ rot_z(pose.head_roll)
    frames.update(pelvis=pelvis, middle=middle, chest=chest, head=head)

    points["pelvis"] = np.zeros(3)
    points["waist"] = pelvis @ np.array([0, body.lower_spine, 0])
    points["collar"] = points["waist"] + middle @ np.array([0, body.upper_spine, 0])
    neck_frame = chest @ rot_x(pose.head_pitch * 0.5)
    points["head"] = points["collar"] + neck_frame @ np.array([0, body.neck, 0.16 * body.neck])

    for side, sign, arm, leg in zip(SIDES, (1.0, -1.0), pose.arms, pose.legs, strict=True):
        shoulder = points["collar"] + chest @ np.array([sign * body.shoulder, 0, 0])
        upper = chest @ rot_z(sign * arm.abduction) @ rot_x(-arm.flexion) @ rot_y(-sign * arm.twist)
        fore = upper @ rot_x(-arm.elbow)
        elbow = shoulder + upper @ np.array([0, -body.upper_arm, 0])
        wrist = elbow + fore @ np.array([0, -body.forearm, 0])
        points[f"{side}_shoulder"], points[f"{side}_elbow"], points[f"{side}_wrist"] = shoulder, elbow, wrist
        points[f"{side}_hand"] = wrist + fore @ rot_x(-0.15) @ np.array([0, -body.hand, 0])

        hip = pelvis @ np.array([sign * body.hip, 0, 0])
        thigh = pelvis @ rot_z(sign * leg.abduction) @ rot_x(-leg.flexion) @ rot_y(sign * leg.twist)
        shank = thigh @ rot_x(leg.knee)
        knee = hip + thigh @ np.array([0, -body.thigh, 0])
        ankle = knee + shank @ np.array([0, -body.shank, 0])
        points[f"{side}_hip"], points[f"{side}_knee"], points[f"{side}_ankle"] = hip, knee, ankle
        points[f"{side}_heel"] = ankle + shank @ np.array([0, -0.22 * body.foot, -0.15 * body.foot])
        points[f"{side}_toe"] = ankle + shank @ np.array([0, -0.34 * body.foot, 0.95 * body.foot])
        frames.update({f"{side}_upper": upper, f"{side}_fore": fore, f"{side}_thigh": thigh, f"{side}_shank": shank})

    for name, (x, y, z) in face_points(body.head).items():
        points[name] = points["head"] + head @ np.array([x, y, z])
    return Skeleton(points, frames)


def face_points(head: tuple[float, float, float]) -> dict[str, tuple[float, float, float]]:
    """Nose, eyes and ears on the surface of the head's ellipsoid, metres, in the head's own frame."""
    width, height, depth = head

    def on_surface(x: float, y: float) -> tuple[float, float, float]:
        return x * width, y * height, depth * float(np.sqrt(1 - x * x - y * y))

    return {
        "nose": (0.0, -0.16 * height, 1.14 * depth),
        "left_eye": on_surface(0.42, 0.12),
        "right_eye": on_surface(-0.42, 0.12),
        "left_ear": (1.0 * width, -0.04 * height, -0.08 * depth),
        "right_ear": (-1.0 * width, -0.04 * height, -0.08 * depth),
    }
