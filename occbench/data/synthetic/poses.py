"""Random poses: kinds of everyday posture, each a range of joint angles, and the direction they are seen from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .skeleton import Arm, Leg, Pose

Limbs = tuple[tuple[Arm, Arm], tuple[Leg, Leg], float, float]  # arms, legs, pelvis lean, spine bend (degrees)


def _deg(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.deg2rad(rng.uniform(low, high)))


def _arm(rng: np.random.Generator, flexion: tuple[float, float], abduction: tuple[float, float],
         twist: tuple[float, float], elbow: tuple[float, float]) -> Arm:  # fmt: skip
    return Arm(_deg(rng, *flexion), _deg(rng, *abduction), _deg(rng, *twist), _deg(rng, *elbow))


def _leg(rng: np.random.Generator, flexion: tuple[float, float], abduction: tuple[float, float],
         twist: tuple[float, float], knee: tuple[float, float]) -> Leg:  # fmt: skip
    return Leg(_deg(rng, *flexion), _deg(rng, *abduction), _deg(rng, *twist), _deg(rng, *knee))


def hanging_arm(rng: np.random.Generator) -> Arm:
    return _arm(rng, (-20, 25), (3, 22), (-10, 45), (2, 45))


def reaching_arm(rng: np.random.Generator) -> Arm:
    return _arm(rng, (-30, 115), (0, 110), (-40, 80), (0, 130))


def raised_arm(rng: np.random.Generator) -> Arm:
    if rng.random() < 0.5:
        return _arm(rng, (-10, 20), (95, 172), (-30, 30), (0, 80))
    return _arm(rng, (110, 175), (0, 25), (-20, 30), (0, 70))


def hand_on_hip(rng: np.random.Generator) -> Arm:
    return _arm(rng, (-25, 0), (35, 55), (55, 85), (80, 110))


def folded_arm(rng: np.random.Generator) -> Arm:
    return _arm(rng, (10, 40), (0, 20), (45, 85), (80, 125))


def any_arm(rng: np.random.Generator) -> Arm:
    kinds = (hanging_arm, reaching_arm, raised_arm, hand_on_hip, folded_arm)
    return kinds[rng.choice(5, p=(0.4, 0.3, 0.1, 0.1, 0.1))](rng)


def straight_leg(rng: np.random.Generator) -> Leg:
    return _leg(rng, (-8, 12), (0, 14), (0, 25), (0, 14))


def _standing(rng: np.random.Generator) -> Limbs:
    return (any_arm(rng), any_arm(rng)), (straight_leg(rng), straight_leg(rng)), _deg(rng, -4, 6), _deg(rng, -6, 12)


def _walking(rng: np.random.Generator) -> Limbs:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(18, 50)
    bent = rng.uniform(10, 95) if stride > 35 else rng.uniform(0, 35)
    arms, legs = [], []
    for opposite in (0.0, np.pi):
        swing = float(np.sin(phase + opposite))
        knee = 6 + max(0.0, float(np.cos(phase + opposite))) * stride + max(0.0, -swing) * stride * 0.4
        legs.append(Leg(*np.deg2rad([swing * stride, rng.uniform(0, 6), rng.uniform(0, 12), knee])))
        arms.append(Arm(*np.deg2rad([-swing * stride * 0.9, rng.uniform(4, 18), rng.uniform(0, 35), bent])))
    return (arms[0], arms[1]), (legs[0], legs[1]), _deg(rng, 0, 14), _deg(rng, 0, 10)


def _sitting(rng: np.random.Generator) -> Limbs:
    def leg() -> Leg:
        return _leg(rng, (72, 102), (2, 28), (-5, 15), (55, 112))

    def arm() -> Arm:
        return _arm(rng, (5, 45), (3, 22), (0, 45), (20, 95)) if rng.random() < 0.7 else any_arm(rng)

    return (arm(), arm()), (leg(), leg()), _deg(rng, -12, 8), _deg(rng, -5, 25)


def _arms_up(rng: np.random.Generator) -> Limbs:
    other = raised_arm(rng) if rng.random() < 0.65 else any_arm(rng)
    arms = (raised_arm(rng), other) if rng.random() < 0.5 else (other, raised_arm(rng))
    return arms, (straight_leg(rng), straight_leg(rng)), _deg(rng, -5, 8), _deg(rng, -10, 10)


def _sporting(rng: np.random.Generator) -> Limbs:
    legs = (_leg(rng, (-25, 80), (0, 40), (0, 25), (0, 100)), _leg(rng, (-20, 45), (0, 30), (0, 25), (0, 60)))
    legs = legs if rng.random() < 0.5 else (legs[1], legs[0])
    arms = (reaching_arm(rng), reaching_arm(rng) if rng.random() < 0.6 else raised_arm(rng))
    arms = arms if rng.random() < 0.5 else (arms[1], arms[0])
    return arms, legs, _deg(rng, -10, 30), _deg(rng, -12, 25)


def _squatting(rng: np.random.Generator) -> Limbs:
    flexion = rng.uniform(60, 120)

    def leg() -> Leg:
        return _leg(rng, (flexion, flexion + 15), (5, 30), (0, 20), (flexion, flexion + 30))

    return (reaching_arm(rng), reaching_arm(rng)), (leg(), leg()), _deg(rng, 8, 30), _deg(rng, 5, 25)


def _bending(rng: np.random.Generator) -> Limbs:
    legs = (_leg(rng, (15, 50), (0, 14), (0, 20), (0, 40)), _leg(rng, (15, 50), (0, 14), (0, 20), (0, 40)))
    return (reaching_arm(rng), reaching_arm(rng)), legs, _deg(rng, 15, 45), _deg(rng, 15, 45)


KINDS: dict[str, tuple[float, Callable[[np.random.Generator], Limbs]]] = {
    "standing": (0.34, _standing),
    "walking": (0.2, _walking),
    "sitting": (0.16, _sitting),
    "arms_up": (0.1, _arms_up),
    "sporting": (0.1, _sporting),
    "squatting": (0.05, _squatting),
    "bending": (0.05, _bending),
}


def _sample_yaw(rng: np.random.Generator) -> float:
    """Mostly from the front, often from the side, sometimes from behind."""
    view = rng.random()
    if view < 0.5:
        return _deg(rng, -50, 50)
    if view < 0.65:
        return _deg(rng, 135, 225)
    if view < 0.8:
        return _deg(rng, 60, 110) * (1 if rng.random() < 0.5 else -1)
    return _deg(rng, -180, 180)


def sample_pose(rng: np.random.Generator, kind: str | None = None) -> Pose:
    """A pose of a kind in :data:`KINDS`, or of a random one, and a direction to see it from."""
    weights = np.array([weight for weight, _ in KINDS.values()])
    chosen = str(rng.choice(list(KINDS), p=weights / weights.sum()))
    kind = kind or chosen
    arms, legs, lean, bend = KINDS[kind][1](rng)
    tilted = rng.random() < 0.12
    return Pose(
        kind=kind,
        yaw=_sample_yaw(rng),
        pitch=float(np.deg2rad(np.clip(rng.normal(6, 7), -8, 25))),
        roll=_deg(rng, -25, 25) if tilted else _deg(rng, -5, 5),
        lean=lean,
        bend=bend,
        side_bend=float(np.deg2rad(rng.normal(0, 6))),
        spine_twist=float(np.deg2rad(rng.normal(0, 9))),
        head_pitch=float(np.deg2rad(np.clip(rng.normal(4, 13), -25, 40))),
        head_yaw=float(np.deg2rad(np.clip(rng.normal(0, 24), -65, 65))),
        head_roll=float(np.deg2rad(rng.normal(0, 7))),
        arms=arms,
        legs=legs,
    )
