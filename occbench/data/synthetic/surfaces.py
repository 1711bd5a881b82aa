"""A small rasteriser: tapered capsules and ellipsoids, shaded, into a depth buffer.

Camera frame as in :mod:`.skeleton` (orthographic, metres). Each primitive touches only the pixels of its own box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .skeleton import Array

Floats = NDArray[np.float32]
Paint = Callable[[Floats], Floats]
"""Colours of surface points: local points, Shape: (n, 3), metres -> RGB 0..255, Shape: (n, 3)."""


@dataclass(frozen=True)
class Capsule:
    """A limb from ``a`` to ``b`` with radius ``ra`` to ``rb``; ``paint`` sees points in the frame (origin, frame)."""

    a: Array
    b: Array
    ra: float
    rb: float
    paint: Paint
    origin: Array
    frame: Array


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with semi-axes ``axes`` along the columns of ``frame``; ``paint`` sees points in that frame."""

    origin: Array
    axes: tuple[float, float, float]
    paint: Paint
    frame: Array


Primitive = Capsule | Ellipsoid


def f32(values: ArrayLike) -> Floats:
    """Values as a float32 array."""
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class Light:
    """A far light: unit ``direction`` towards it, and the share of light that comes from everywhere."""

    direction: Array
    ambient: float


class Canvas:
    """A colour and depth buffer over a rectangle of the camera plane.

    Args:
        xs: Camera x of the columns, Shape: (w,), increasing, evenly spaced, metres.
        ys: Camera y of the rows, Shape: (h,), decreasing, evenly spaced, metres.
        light: The light that shades every primitive.

    Attributes:
        color: RGB 0..255, Shape: (h, w, 3), float32.
        depth: Camera z of the nearest surface, -inf where there is none, Shape: (h, w), float32.
    """

    def __init__(self, xs: Floats, ys: Floats, light: Light) -> None:
        self.xs, self.ys, self.light = xs.astype(np.float32), ys.astype(np.float32), light
        self.color = np.zeros((len(ys), len(xs), 3), np.float32)
        self.depth = np.full((len(ys), len(xs)), -np.inf, np.float32)

    def draw(self, primitive: Primitive) -> None:
        """Rasterise one primitive where it is nearer than what is there."""
        if isinstance(primitive, Capsule):
            ends = np.stack([primitive.a, primitive.b])
            reach = np.array([[primitive.ra], [primitive.rb]])
            low, high = (ends[:, :2] - reach).min(0), (ends[:, :2] + reach).max(0)
        else:
            extent = np.sqrt(((primitive.frame * np.array(primitive.axes)) ** 2).sum(1))[:2]
            low, high = primitive.origin[:2] - extent, primitive.origin[:2] + extent
        x0, x1 = np.searchsorted(self.xs, [low[0], high[0]])
        y0, y1 = np.searchsorted(-self.ys, [-high[1], -low[1]])
        if x0 >= x1 or y0 >= y1:
            return
        x, y = self.xs[None, x0:x1], self.ys[y0:y1, None]
        if isinstance(primitive, Capsule):
            z, normal = _capsule(primitive, x, y)
        else:
            z, normal = _ellipsoid(primitive, x, y)
        depth = self.depth[y0:y1, x0:x1]
        rows, columns = np.nonzero(z > depth)
        if rows.size == 0:
            return
        z, normal = z[rows, columns], normal[rows, columns]
        points = np.stack([x[0, columns], y[rows, 0], z], 1) - primitive.origin.astype(np.float32)
        local = points @ primitive.frame.astype(np.float32)
        lit = np.clip(normal @ self.light.direction.astype(np.float32), 0, 1)
        shade = self.light.ambient + (1 - self.light.ambient) * lit
        depth[rows, columns] = z
        self.color[y0:y1, x0:x1][rows, columns] = primitive.paint(local) * shade[:, None]


def _capsule(shape: Capsule, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Depth (-inf outside) and unit normals of a capsule seen along z."""
    (ax, ay, az), (bx, by, bz) = shape.a, shape.b
    dx, dy = bx - ax, by - ay
    px, py = x - np.float32(ax), y - np.float32(ay)
    length2 = max(dx * dx + dy * dy, 1e-9)
    t = np.clip((px * np.float32(dx) + py * np.float32(dy)) / np.float32(length2), 0, 1)
    radius = np.float32(shape.ra) + np.float32(shape.rb - shape.ra) * t
    qx, qy = px - np.float32(dx) * t, py - np.float32(dy) * t
    bulge2 = radius * radius - qx * qx - qy * qy
    bulge = np.sqrt(np.maximum(bulge2, 0))
    z = np.where(bulge2 > 0, np.float32(az) + np.float32(bz - az) * t + bulge, -np.inf).astype(np.float32)
    return z, np.stack([qx / radius, qy / radius, bulge / radius], -1)


def _ellipsoid(shape: Ellipsoid, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Depth (-inf outside) and unit normals of an ellipsoid seen along z."""
    m = (shape.frame / np.array(shape.axes) ** 2 @ shape.frame.T).astype(np.float32)
    px, py = x - np.float32(shape.origin[0]), y - np.float32(shape.origin[1])
    half_b = m[0, 2] * px + m[1, 2] * py
    c = m[0, 0] * px * px + 2 * m[0, 1] * px * py + m[1, 1] * py * py - 1
    disc = half_b * half_b - m[2, 2] * c
    dz = (-half_b + np.sqrt(np.maximum(disc, 0))) / m[2, 2]
    normal = np.stack([m[i, 0] * px + m[i, 1] * py + m[i, 2] * dz for i in range(3)], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    return np.where(disc > 0, np.float32(shape.origin[2]) + dz, -np.inf).astype(np.float32), normal
