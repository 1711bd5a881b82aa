"""Draws the cut-outs that come with the program: ``python -m occbench.attacks.drawing`` writes ``cutouts/``.

Their pictures are stored, and not drawn when they are needed, so that they have the same bytes under every OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

SIDE = 72
"""Of a picture, px."""

_FINE = 4  # drawn so many times larger, then shrunk: soft edges
Colour = tuple[int, int, int]
"""Blue, green, red."""


class Canvas:
    """A transparent square of unit size to draw shapes on."""

    def __init__(self) -> None:
        self._colour = np.zeros((SIDE * _FINE, SIDE * _FINE, 3), np.uint8)
        self._alpha = np.zeros((SIDE * _FINE, SIDE * _FINE), np.uint8)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon; points x, y from 0 to 1."""
        corners = np.rint(np.array(points) * (SIDE * _FINE - 1)).astype(np.int32)
        cv2.fillPoly(self._colour, [corners], colour)
        cv2.fillPoly(self._alpha, [corners], 255)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, start: float = 0, end: float = 360
    ) -> None:
        """A filled ellipse, or a slice of it from ``start`` to ``end`` degrees, clockwise from the right."""
        angles = np.radians(np.linspace(start, end, 73))
        arc = [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]
        self.polygon([(x, y), *arc] if end - start < 360 else arc, colour)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.polygon([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def picture(self) -> np.ndarray:
        """What was drawn, cut to its outline: (h, w, 4), uint8, BGRA."""
        alpha = self._alpha[..., None].astype(np.float32) / 255
        premultiplied = np.concatenate([self._colour * alpha, 255 * alpha], axis=2)
        small = cv2.resize(premultiplied, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        colour = small[..., :3] / np.maximum(small[..., 3:], 1) * 255
        found = np.rint(np.concatenate([np.clip(colour, 0, 255), small[..., 3:]], axis=2)).astype(np.uint8)
        rows, columns = (np.flatnonzero((found[..., 3] > 0).any(axis)) for axis in (1, 0))
        return found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _ball(on: Canvas) -> None:
    on.ellipse(0.5, 0.5, 0.48, 0.48, (40, 60, 220))
    for i in range(3):
        on.ellipse(0.5, 0.5, 0.48, 0.48, (235, 235, 235), 120 * i, 120 * i + 60)
    on.ellipse(0.5, 0.5, 0.1, 0.1, (60, 180, 240))


def _crate(on: Canvas) -> None:
    on.box(0.06, 0.06, 0.94, 0.94, (70, 120, 175))
    for i in range(4):
        on.box(0.1, 0.1 + 0.21 * i, 0.9, 0.26 + 0.21 * i, (95, 150, 205))
    on.polygon([(0.1, 0.82), (0.82, 0.1), (0.9, 0.18), (0.18, 0.9)], (60, 105, 155))


def _suitcase(on: Canvas) -> None:
    on.box(0.36, 0.02, 0.64, 0.3, (50, 50, 50))
    on.box(0.42, 0.08, 0.58, 0.3, (120, 80, 40))
    on.box(0.05, 0.18, 0.95, 0.92, (120, 70, 30))
    for x in (0.2, 0.72):
        on.box(x, 0.18, x + 0.08, 0.92, (40, 90, 150))
    on.box(0.05, 0.52, 0.95, 0.56, (60, 35, 15))


def _umbrella(on: Canvas) -> None:
    for i in range(6):
        on.ellipse(0.5, 0.55, 0.49, 0.5, [(30, 30, 200), (220, 220, 225)][i % 2], 180 + 30 * i, 210 + 30 * i)
    on.box(0.48, 0.5, 0.52, 0.97, (40, 60, 80))
    on.box(0.52, 0.92, 0.64, 0.97, (40, 60, 80))


def _bottle(on: Canvas) -> None:
    on.box(0.42, 0.02, 0.58, 0.1, (40, 40, 190))
    on.polygon([(0.43, 0.1), (0.57, 0.1), (0.7, 0.34), (0.7, 0.97), (0.3, 0.97), (0.3, 0.34)], (60, 130, 40))
    on.box(0.3, 0.48, 0.7, 0.76, (220, 235, 240))
    on.box(0.34, 0.58, 0.66, 0.64, (60, 60, 60))


def _shrub(on: Canvas) -> None:
    on.box(0.44, 0.7, 0.56, 0.98, (40, 65, 95))
    greens: list[Colour] = [(40, 110, 50), (55, 140, 70), (30, 90, 45)]
    places = [(0.3, 0.55), (0.7, 0.55), (0.5, 0.62), (0.35, 0.3), (0.65, 0.3), (0.5, 0.2), (0.5, 0.42)]
    for i, (x, y) in enumerate(places):
        on.ellipse(x, y, 0.24, 0.2, greens[i % 3])
    for i in range(24):
        on.ellipse(0.2 + 0.6 * ((i * 7) % 24) / 23, 0.15 + 0.55 * i / 23, 0.03, 0.02, greens[(i + 1) % 3])


def _sign(on: Canvas) -> None:
    on.box(0.47, 0.5, 0.53, 0.99, (130, 130, 130))
    on.polygon([(0.5, 0.01), (0.95, 0.72), (0.05, 0.72)], (30, 30, 210))
    on.polygon([(0.5, 0.16), (0.81, 0.65), (0.19, 0.65)], (240, 240, 240))
    on.box(0.47, 0.32, 0.53, 0.52, (30, 30, 30))
    on.ellipse(0.5, 0.59, 0.035, 0.035, (30, 30, 30))


def _book(on: Canvas) -> None:
    on.polygon([(0.02, 0.12), (0.5, 0.2), (0.98, 0.12), (0.98, 0.82), (0.5, 0.9), (0.02, 0.82)], (150, 60, 60))
    on.polygon([(0.06, 0.12), (0.48, 0.19), (0.48, 0.85), (0.06, 0.78)], (225, 235, 240))
    on.polygon([(0.94, 0.12), (0.52, 0.19), (0.52, 0.85), (0.94, 0.78)], (215, 225, 232))
    for i in range(6):
        y = 0.24 + 0.09 * i
        on.polygon([(0.12, y), (0.43, y + 0.05), (0.43, y + 0.07), (0.12, y + 0.02)], (110, 110, 110))
        on.polygon([(0.88, y), (0.57, y + 0.05), (0.57, y + 0.07), (0.88, y + 0.02)], (110, 110, 110))


def _chair(on: Canvas) -> None:
    wood: Colour = (45, 85, 140)
    on.box(0.18, 0.02, 0.82, 0.5, (60, 105, 165))
    for x in (0.28, 0.47, 0.66):
        on.box(x, 0.1, x + 0.06, 0.5, wood)
    on.polygon([(0.18, 0.5), (0.82, 0.5), (0.95, 0.66), (0.05, 0.66)], (70, 70, 190))
    for x in (0.07, 0.85):
        on.box(x, 0.66, x + 0.08, 0.98, wood)


def _cup(on: Canvas) -> None:
    on.ellipse(0.72, 0.52, 0.24, 0.24, (160, 110, 40))
    on.polygon([(0.08, 0.12), (0.78, 0.12), (0.7, 0.95), (0.16, 0.95)], (190, 140, 60))
    on.polygon([(0.1, 0.36), (0.757, 0.36), (0.737, 0.56), (0.123, 0.56)], (230, 230, 235))
    on.ellipse(0.43, 0.13, 0.35, 0.1, (40, 60, 90))


DRAWINGS: dict[str, Callable[[Canvas], None]] = {
    "ball": _ball,
    "book": _book,
    "bottle": _bottle,
    "chair": _chair,
    "crate": _crate,
    "cup": _cup,
    "shrub": _shrub,
    "sign": _sign,
    "suitcase": _suitcase,
    "umbrella": _umbrella,
}


def drawn(name: str) -> np.ndarray:
    """One of :data:`DRAWINGS`: (h, w, 4), uint8, BGRA."""
    canvas = Canvas()
    DRAWINGS[name](canvas)
    return canvas.picture()


def main() -> None:
    """Write the pictures."""
    folder = Path(__file__).parent / "cutouts"
    folder.mkdir(exist_ok=True)
    for name in DRAWINGS:
        cv2.imwrite(str(folder / f"{name}.png"), drawn(name), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
