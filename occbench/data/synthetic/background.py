"""Random places for the figures to stand in: walls, floors, furniture-like shapes, foliage-like noise."""

from __future__ import annotations

import cv2
import numpy as np

from .appearance import random_color
from .surfaces import Floats, f32


def noise(rng: np.random.Generator, height: int, width: int, cells: int, channels: int = 1) -> Floats:
    """Smooth noise in about -1..1 with ``cells`` random values along the longer side, Shape: (h, w, channels)."""
    unit = max(height, width) / cells
    rows, columns = max(2, round(height / unit) + 1), max(2, round(width / unit) + 1)
    grid = rng.uniform(-1, 1, (rows, columns, channels)).astype(np.float32)
    grown = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, np.float32).reshape(height, width, channels)


def _muted(rng: np.random.Generator) -> Floats:
    color = random_color(rng)
    return f32(color * 0.5 + color.mean() * 0.3 + rng.uniform(10, 45))


def _gradient(rng: np.random.Generator, height: int, width: int) -> Floats:
    top, bottom = _muted(rng), _muted(rng)
    y, x = np.linspace(0, 1, height, dtype=np.float32), np.linspace(0, 1, width, dtype=np.float32)
    tilt = rng.uniform(-0.4, 0.4)
    mix = np.clip(y[:, None] * (1 - abs(tilt)) + x[None] * tilt, 0, 1)[..., None]
    return np.asarray(top * (1 - mix) + bottom * mix, np.float32)


def _floor(rng: np.random.Generator, image: Floats) -> None:
    height, width = image.shape[:2]
    horizon = int(height * rng.uniform(0.45, 0.85))
    ground = _gradient(rng, height - horizon, width)
    if rng.random() < 0.5:  # boards or tiles, running to a vanishing point
        y = np.arange(1, height - horizon + 1, dtype=np.float32)[:, None] / height + 0.05
        x = (np.arange(width, dtype=np.float32)[None] / width - rng.uniform(0.2, 0.8)) / y
        seam = (x * rng.uniform(0.5, 2) % 1 < 0.06) | ((1 / y * rng.uniform(0, 1.5)) % 1 < 0.08)
        ground = np.where(seam[..., None], ground * 0.75, ground)
    image[horizon:] = ground


def _stripes(rng: np.random.Generator, image: Floats) -> None:
    height, width = image.shape[:2]
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 70)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    band = ((np.cos(angle) * x + np.sin(angle) * y) / period) % 1 < rng.uniform(0.2, 0.7)
    limit = int(height * rng.uniform(0.4, 1))
    image[:limit][band[:limit]] = image[:limit][band[:limit]] * 0.6 + _muted(rng) * 0.4


def _box(rng: np.random.Generator, image: Floats) -> None:
    """A rectangle with an edge, now and then divided as a shelf or a window is."""
    height, width = image.shape[:2]
    w, h = int(width * rng.uniform(0.05, 0.45)), int(height * rng.uniform(0.05, 0.6))
    x, y = int(rng.uniform(-0.1, 0.95) * width), int(rng.uniform(-0.1, 0.9) * height)
    color = _muted(rng)
    cv2.rectangle(image, (x, y), (x + w, y + h), color.tolist(), -1)
    cv2.rectangle(image, (x, y), (x + w, y + h), (color * rng.uniform(0.5, 1.2)).tolist(), int(rng.integers(1, 6)))
    if rng.random() < 0.5:
        edge = (color * 0.6).tolist()
        for i in range(1, int(rng.integers(2, 6))):
            at = y + h * i // 5
            cv2.line(image, (x, at), (x + w, at), edge, int(rng.integers(1, 4)))


def _pole(rng: np.random.Generator, image: Floats) -> None:
    """Something limb-shaped: a pole, a branch, a pipe, in any colour, skin colours included."""
    height, width = image.shape[:2]
    start = rng.uniform(0, 1, 2) * (width, height)
    angle = rng.choice([np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.1)
    end = start + rng.uniform(0.15, 0.9) * height * np.array([np.cos(angle), np.sin(angle)])
    color, thickness = random_color(rng), int(rng.integers(3, 22))
    points = [tuple(int(v) for v in p) for p in (start, end)]
    cv2.line(image, points[0], points[1], (color * 0.7).tolist(), thickness, cv2.LINE_AA)
    cv2.line(image, points[0], points[1], color.tolist(), max(1, thickness // 2), cv2.LINE_AA)


def _blob(rng: np.random.Generator, image: Floats) -> None:
    height, width = image.shape[:2]
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    axes = (int(rng.uniform(4, 0.2 * width)), int(rng.uniform(4, 0.2 * height)))
    cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, _muted(rng).tolist(), -1, cv2.LINE_AA)


def _texture(rng: np.random.Generator, image: Floats) -> None:
    height, width = image.shape[:2]
    strength = rng.uniform(3, 20)
    for cells in (6, 24, 80):
        channels = 3 if rng.random() < 0.4 else 1
        image += strength * rng.uniform(0.3, 1) * noise(rng, height, width, cells, channels)


def sample_background(rng: np.random.Generator, height: int, width: int) -> Floats:
    """A background, RGB about 0..255, Shape: (height, width, 3), float32."""
    image = np.ascontiguousarray(_gradient(rng, height, width))
    if rng.random() < 0.25:
        _stripes(rng, image)
    if rng.random() < 0.65:
        _floor(rng, image)
    for _ in range(int(rng.integers(0, 7))):
        _box(rng, image)
    for _ in range(int(rng.integers(0, 5))):
        _blob(rng, image)
    for _ in range(int(rng.integers(0, 5))):
        _pole(rng, image)
    _texture(rng, image)
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 4)))
    return np.asarray(image, np.float32)
