"""Example pictures: the clean and the attacked crop side by side with both predictions (Fig. 1 of the thesis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..reading.load import Run
from ..reading.manifest import Example, Skeleton
from ..reading.names import number
from ..reading.slices import CENTRED, main_slice, order_targets

HEIGHT = 400
"""Height of a drawn crop, px; the crop is enlarged to it, never shrunk."""

CLEAN_COLOUR = (255, 214, 64)  # BGR, a light blue
ATTACKED_COLOUR = (40, 80, 255)  # BGR, a red-orange
TRUTH_COLOUR = (255, 255, 255)

_JPEG_QUALITY = 80
_ORDER = ("worst", "median", "improved")

Points = Sequence[tuple[float, float] | None]


@dataclass(frozen=True)
class Shown:
    """One person under one attack, drawn. ``clean``, ``attacked``: uint8, (H, W, 3), BGR."""

    kind: str
    fill: str
    person: str
    caption: str
    clean: np.ndarray
    attacked: np.ndarray


@dataclass(frozen=True)
class Gallery:
    """The pictures of one target."""

    level: str
    target: str
    title: str
    shown: tuple[Shown, ...]

    def montage(self) -> np.ndarray:
        """All pictures beside each other on white; uint8, (H, W, 3), BGR."""
        pictures = [picture for one in self.shown for picture in (one.clean, one.attacked)]
        height = max(p.shape[0] for p in pictures)
        white = (255, 255, 255)
        padded = [
            cv2.copyMakeBorder(p, 0, height - p.shape[0], 0, 8, cv2.BORDER_CONSTANT, value=white) for p in pictures
        ]
        return np.hstack(padded)[:, :-8]


def galleries(run: Run, level: str) -> tuple[list[Gallery], list[str]]:
    """One gallery per target of ``level`` that has examples, and a note for each that could not be drawn."""
    found, notes = [], []
    mine = _chosen(run, level)
    for target in order_targets(run, level, (example.target for example in mine)):
        same = [example for example in mine if example.target == target]
        same.sort(key=lambda e: _ORDER.index(e.kind) if e.kind in _ORDER else len(_ORDER))
        try:
            found.append(_gallery(run, target, same))
        except _UnreadableError as error:
            notes.append(f"No picture for {target}: {error}.")
    return found, notes


def _chosen(run: Run, level: str) -> list[Example]:
    """The examples of a level; of an old run, which has one person under every attack, those of the main slice."""
    mine = [example for example in run.examples if example.level == level]
    part = main_slice(run, level)
    if part is None or any(example.kind in _ORDER for example in mine):
        return mine
    return [e for e in mine if (e.radius, e.placement) == (part.radius, part.placement)]


class _UnreadableError(Exception):
    """A crop is no picture, or its keypoints do not fit the skeleton."""


def _gallery(run: Run, target: str, examples: Sequence[Example]) -> Gallery:
    skeleton = run.manifest.skeleton
    first = examples[0]
    where = "" if first.placement == CENTRED else f", {first.placement}"
    fills = ", ".join(dict.fromkeys(example.fill for example in examples))
    title = f"{target}, {fills}, r = {first.radius:g} px{where}"
    return Gallery(first.level, target, title, tuple(_shown(run, example, skeleton) for example in examples))


def _shown(run: Run, example: Example, skeleton: Skeleton) -> Shown:
    for points in (example.truth, example.clean_keypoints, example.attacked_keypoints):
        if len(points) != len(skeleton.keypoints):
            raise _UnreadableError(f"{len(points)} keypoints where the skeleton has {len(skeleton.keypoints)}")
    return Shown(
        example.kind,
        example.fill,
        str(example.person),
        _caption(example),
        _draw(_read(run.path, example.clean), example, skeleton, attacked=False),
        _draw(_read(run.path, example.attacked), example, skeleton, attacked=True),
    )


def _caption(example: Example) -> str:
    """What became of the person's OKS; nothing for a run that does not say."""
    who = f"{Path(example.image).name}, person {example.person}"
    if example.oks_clean is None or example.oks_attacked is None:
        return who
    change = example.oks_attacked - example.oks_clean
    sign = "+" if change > 0 else ""
    return f"OKS {number(example.oks_clean, 2)} → {number(example.oks_attacked, 2)} ({sign}{number(change, 2)}), {who}"


def _read(path: Path, name: str) -> np.ndarray:
    file = path / "examples" / Path(name).name  # a name, never a way out of the folder
    pixels = cv2.imdecode(np.frombuffer(file.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise _UnreadableError(f"{file.name} is no picture")
    return pixels


def _draw(crop: np.ndarray, example: Example, skeleton: Skeleton, attacked: bool) -> np.ndarray:
    """The enlarged crop with truth and predictions, drawn where the truth is labelled (the rest is not judged)."""
    scale = max(HEIGHT / crop.shape[0], 1.0)
    canvas = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    labelled = [point is not None for point in example.truth]
    own = set(skeleton.own_keypoints(example.level, example.target))
    _draw_pose(canvas, example.clean_keypoints, labelled, skeleton, scale, CLEAN_COLOUR, 2 if attacked else 3)
    if attacked:
        _draw_pose(canvas, example.attacked_keypoints, labelled, skeleton, scale, ATTACKED_COLOUR, 3)
    for name, point in zip(skeleton.keypoints, example.truth, strict=True):
        if point is not None:
            _ring(canvas, _place(point, scale), 9 if name in own else 5)
    return canvas


def _draw_pose(
    canvas: np.ndarray,
    points: Points,
    labelled: Sequence[bool],
    skeleton: Skeleton,
    scale: float,
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    places = {
        name: _place(point, scale)
        for name, point, known in zip(skeleton.keypoints, points, labelled, strict=True)
        if known and point is not None and np.isfinite(point).all()
    }
    limbs = [(places[a], places[b]) for a, b in skeleton.edges if a in places and b in places]
    for start, end in limbs:  # a dark edge first, so that the line shows on any ground
        cv2.line(canvas, start, end, (0, 0, 0), thickness + 2, cv2.LINE_AA, shift=_SHIFT)
    for start, end in limbs:
        cv2.line(canvas, start, end, colour, thickness, cv2.LINE_AA, shift=_SHIFT)
    for place in places.values():
        cv2.circle(canvas, place, (1 + thickness) << _SHIFT, (0, 0, 0), -1, cv2.LINE_AA, shift=_SHIFT)
        cv2.circle(canvas, place, thickness << _SHIFT, colour, -1, cv2.LINE_AA, shift=_SHIFT)


_SHIFT = 4  # OpenCV draws at 1/16 px


def _place(point: tuple[float, float], scale: float) -> tuple[int, int]:
    """Crop px to sixteenths of a px of the enlarged crop; both count from pixel centres, so half a px moves too."""
    x, y = ((value + 0.5) * scale - 0.5 for value in point)
    limit = 1 << 20  # a wild prediction must not overflow OpenCV's integers
    return (
        int(np.clip(round(x * (1 << _SHIFT)), -limit, limit)),
        int(np.clip(round(y * (1 << _SHIFT)), -limit, limit)),
    )


def _ring(canvas: np.ndarray, place: tuple[int, int], radius: int) -> None:
    cv2.circle(canvas, place, radius << _SHIFT, (0, 0, 0), 4, cv2.LINE_AA, shift=_SHIFT)
    cv2.circle(canvas, place, radius << _SHIFT, TRUTH_COLOUR, 2, cv2.LINE_AA, shift=_SHIFT)


def as_jpeg(pixels: np.ndarray) -> bytes:
    """``pixels`` (uint8, (H, W, 3), BGR) as JPEG, for the page."""
    return _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def as_png(pixels: np.ndarray) -> bytes:
    """``pixels`` (uint8, (H, W, 3), BGR) as PNG, for the plots folder."""
    return _encode(".png", pixels, [])


def _encode(suffix: str, pixels: np.ndarray, options: list[int]) -> bytes:
    fine, encoded = cv2.imencode(suffix, pixels, options)
    if not fine:
        raise ValueError(f"cannot encode a picture of shape {pixels.shape} as {suffix}")
    return bytes(encoded.tobytes())
