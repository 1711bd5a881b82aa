"""What a figure wears and looks like: colours, cloth patterns, and the paints of head and limbs."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .surfaces import Floats, Paint, f32

SKINS = ((255, 224, 196), (241, 194, 160), (224, 172, 125), (198, 134, 92), (150, 98, 66), (105, 68, 48), (74, 48, 36))
HAIRS = ((28, 22, 20), (62, 42, 30), (101, 70, 44), (150, 110, 60), (205, 170, 110), (140, 60, 35), (170, 168, 165))
PATTERNS = ("plain", "hoops", "pinstripes", "checks", "halves", "mottled")


@dataclass(frozen=True)
class Cloth:
    """A pattern of two RGB colours; ``period`` is its repeat in metres."""

    color: Floats
    second: Floats
    pattern: str
    period: float
    phase: float

    def paint(self, points: Floats) -> Floats:
        """Colours of local points, Shape: (n, 3), metres."""
        x, y = points[:, 0], points[:, 1]
        if self.pattern == "plain":
            mix = 0.12 * np.sin(points @ f32([31, 17, 23]) + self.phase)
        elif self.pattern == "hoops":
            mix = f32((y / self.period + self.phase) % 1 < 0.5)
        elif self.pattern == "pinstripes":
            mix = f32((x / self.period + self.phase) % 1 < 0.3)
        elif self.pattern == "checks":
            mix = 0.5 * f32(y / self.period % 1 < 0.5) + 0.5 * f32(x / self.period % 1 < 0.5)
        elif self.pattern == "halves":
            mix = f32(y > 0.1)
        else:
            waves = points @ f32([[55, 20, 31], [13, 61, -27], [37, -29, 47]]).T + self.phase
            mix = np.clip(np.sin(waves).sum(1) * 0.6, 0, 1)
        folds = 1 + 0.05 * np.sin(points @ f32([40, 24, 18]) + self.phase * 7)
        return np.asarray((self.color + (self.second - self.color) * mix[:, None]) * folds[:, None], np.float32)


@dataclass(frozen=True)
class Look:
    """One person's appearance.

    Attributes:
        skin, lips, hair, iris, shoes: RGB 0..255.
        sleeve: How far down the arm the sleeve reaches: 0 none, 1 to the elbow, 2 to the wrist.
        trouser: How far down the leg, likewise to knee (1) and ankle (2).
        hairline: Height of the hair's front edge in semi-axes of the head; above 1: bald.
        long_hair: Whether hair falls behind the neck.
    """

    skin: Floats
    lips: Floats
    hair: Floats
    iris: Floats
    shoes: Floats
    shirt: Cloth
    trousers: Cloth
    sleeve: float
    trouser: float
    hairline: float
    long_hair: bool
    beard: bool
    open_collar: bool


def random_color(rng: np.random.Generator) -> Floats:
    """A cloth colour: greys and dark blues are as common as bright ones."""
    if rng.random() < 0.3:
        return f32(rng.uniform(20, 245) + rng.uniform(-8, 8, 3)).clip(0, 255)
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.25, 0.95), rng.uniform(0.2, 0.98))
    return f32(rgb) * 255


def _cloth(rng: np.random.Generator, plain: float) -> Cloth:
    pattern = "plain" if rng.random() < plain else str(rng.choice(PATTERNS[1:]))
    color, second = random_color(rng), random_color(rng)
    if pattern == "plain":
        second = f32(color * 0.75)
    return Cloth(color, second, pattern, float(rng.uniform(0.04, 0.16)), float(rng.uniform(0, 6)))


def sample_look(rng: np.random.Generator) -> Look:
    """Draw one person's appearance."""
    place = rng.uniform(0, len(SKINS) - 1.001)
    low, share = int(place), place - int(place)
    skin = f32(SKINS[low]) * (1 - share) + f32(SKINS[low + 1]) * share
    hair = random_color(rng) if rng.random() < 0.12 else f32(HAIRS[rng.integers(len(HAIRS))])
    bald = rng.random() < 0.06
    return Look(
        skin=f32(skin),
        lips=f32(skin * f32([0.85, 0.55, 0.55])),
        hair=f32(hair * rng.uniform(0.8, 1.2)).clip(0, 255),
        iris=f32(((60, 40, 25), (40, 60, 90), (50, 70, 45), (20, 16, 14))[rng.integers(4)]),
        shoes=random_color(rng),
        shirt=_cloth(rng, 0.55),
        trousers=_cloth(rng, 0.8),
        sleeve=float(rng.choice([0.0, rng.uniform(0.4, 0.95), 1.92], p=[0.12, 0.44, 0.44])),
        trouser=float(rng.choice([rng.uniform(0.35, 0.95), rng.uniform(1.3, 1.95), 1.97], p=[0.3, 0.1, 0.6])),
        hairline=3.0 if bald else float(rng.uniform(0.4, 0.62)),
        long_hair=bool(not bald and rng.random() < 0.35),
        beard=bool(rng.random() < 0.15),
        open_collar=bool(rng.random() < 0.5),
    )


def flat(color: Floats) -> Paint:
    """One colour everywhere."""
    return lambda points: np.broadcast_to(color, (len(points), 3)).astype(np.float32)


def sleeve_paint(cloth: Cloth, skin: Floats, length: float, reach: float) -> Paint:
    """Cloth down to ``reach`` (a share of ``length``, the limb's, running along -y), skin below, with a hem."""

    def paint(points: Floats) -> Floats:
        along = -points[:, 1] / length
        colors = np.where((along < reach)[:, None], cloth.paint(points), skin)
        hem = (along > reach - 0.05) & (along < reach)
        return np.asarray(np.where(hem[:, None], colors * 0.8, colors), np.float32)

    return paint


def chest_paint(look: Look, top: float) -> Paint:
    """The shirt in the chest's frame (origin at the collar), with an open collar or buttons in front."""

    def paint(points: Floats) -> Floats:
        colors = look.shirt.paint(points)
        x, y, z = points[:, 0], points[:, 1], points[:, 2]
        if look.open_collar:
            skin = (z > 0) & (np.abs(x) < (y + 0.16 * top) * 0.6)
            return np.asarray(np.where(skin[:, None], look.skin, colors), np.float32)
        button = (z > 0) & (np.abs(x) < 0.008) & (y % 0.09 < 0.02)
        return np.asarray(np.where(button[:, None], look.trousers.color, colors), np.float32)

    return paint


def head_paint(look: Look, axes: tuple[float, float, float]) -> Paint:
    """The face: eyes, brows, mouth, cheeks, beard and hairline, in the head's frame."""
    scale = f32(1 / np.array(axes))

    def paint(points: Floats) -> Floats:
        n = points * scale
        x, y, z = np.abs(n[:, 0]), n[:, 1], n[:, 2]
        front = z > 0
        colors = np.broadcast_to(look.skin, n.shape).astype(np.float32)

        def put(where: np.ndarray, color: Floats | float) -> None:
            colors[where] = color

        if look.beard:
            put(front & (y < -0.42), look.hair * 0.9 + look.skin * 0.1)
        put(front & (((x - 0.42) / 0.24) ** 2 + ((y - 0.1) / 0.2) ** 2 < 1), look.skin * 0.84)
        put(front & (((x - 0.42) / 0.2) ** 2 + ((y - 0.12) / 0.1) ** 2 < 1), 238.0)
        put(front & (((x - 0.42) / 0.1) ** 2 + ((y - 0.12) / 0.1) ** 2 < 1), look.iris)
        put(front & (np.abs(x - 0.42) < 0.25) & (np.abs(y - 0.3 + 0.1 * np.abs(x - 0.42)) < 0.04), look.hair * 0.7)
        put(front & (x < 0.32) & (np.abs(y + 0.55) < 0.05), look.lips)
        put(y > look.hairline * (0.35 + 0.65 * z) - 0.45 * np.clip(-z, 0, 1), look.hair)
        return colors

    return paint
