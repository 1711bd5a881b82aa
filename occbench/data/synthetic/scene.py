"""A whole photo: figures before a background, and the exact annotation of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .appearance import random_color
from .background import sample_background
from .figure import Figure, margins, primitives, sample_figure
from .skeleton import Array
from .surfaces import Canvas, Floats, Light, f32

SIZES = ((320, 240), (400, 300), (480, 360), (640, 480), (480, 640), (300, 400), (360, 480), (427, 320))
SUPERSAMPLING = 2
MIN_VISIBLE = 0.5  # of a person's silhouette, once nearer persons are drawn
MIN_KEYPOINTS = 9  # inside the photo
FACE = 5  # nose, eyes and ears come first
LIMBS = ((5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16))  # COCO indices, from the body outwards


@dataclass(frozen=True)
class Placement:
    """A figure in the photo: ``scale`` in px per metre; ``x``, ``y`` of the hips' midpoint in image px."""

    figure: Figure
    scale: float
    x: float
    y: float

    def to_image(self, points: Array) -> Array:
        """Camera points, Shape: (n, 3), metres -> image px, Shape: (n, 2)."""
        return np.stack([self.x + self.scale * points[:, 0], self.y - self.scale * points[:, 1]], 1)


@dataclass(frozen=True)
class Scene:
    """What a photo shows; ``placements`` from far to near."""

    width: int
    height: int
    placements: tuple[Placement, ...]
    light: Light


@dataclass(frozen=True)
class Layer:
    """One person, rendered alone.

    Attributes:
        left, top: Image px of the layer's first column and row.
        color: RGB premultiplied by coverage, Shape: (h, w, 3), float32.
        alpha: Coverage 0..1, Shape: (h, w), float32.
        own: Whether each keypoint is not hidden by the person's own body, Shape: (17,), bool.
    """

    left: int
    top: int
    color: Floats
    alpha: Floats
    own: NDArray[np.bool_]

    def window(self) -> tuple[slice, slice]:
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def sample_light(rng: np.random.Generator) -> Light:
    """A light from above and in front, from any side."""
    direction = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-0.1, 1.0), rng.uniform(0.5, 1.2)])
    return Light(direction / np.linalg.norm(direction), float(rng.uniform(0.4, 0.75)))


def render_person(placement: Placement, light: Light, width: int, height: int) -> Layer | None:
    """Render one person alone, clipped to the photo; None when they are wholly outside."""
    figure, scale = placement.figure, placement.scale
    joints = placement.to_image(np.stack(list(figure.skeleton.points.values())))
    reach = 0.17 * figure.body.girth * scale + 2
    low = np.maximum(np.floor(joints.min(0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(joints.max(0) + reach), (width, height)).astype(int)
    if (low >= high).any():
        return None
    n = SUPERSAMPLING
    columns = low[0] + (np.arange((high[0] - low[0]) * n) + 0.5) / n - 0.5
    rows = low[1] + (np.arange((high[1] - low[1]) * n) + 0.5) / n - 0.5
    canvas = Canvas(f32((columns - placement.x) / scale), f32((placement.y - rows) / scale), light)
    for primitive in primitives(figure):
        canvas.draw(primitive)
    covered = np.isfinite(canvas.depth).astype(np.float32)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    alpha = cv2.resize(covered, size, interpolation=cv2.INTER_AREA)
    color = cv2.resize(canvas.color * covered[..., None], size, interpolation=cv2.INTER_AREA)
    own = _own_visibility(placement, canvas, low)
    return Layer(int(low[0]), int(low[1]), color, alpha, own)


def _own_visibility(placement: Placement, canvas: Canvas, origin: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Whether the nearest surface at each keypoint is that keypoint's own, Shape: (17,)."""
    keypoints = placement.figure.skeleton.keypoints()
    cells = np.floor((placement.to_image(keypoints) - origin + 0.5) * SUPERSAMPLING).astype(int)
    height, width = canvas.depth.shape
    inside = ((cells >= 0) & (cells < (width, height))).all(1)
    x, y = np.clip(cells[:, 0], 0, width - 1), np.clip(cells[:, 1], 0, height - 1)
    surface = np.where(inside, canvas.depth[y, x], -np.inf)
    return np.asarray(surface - keypoints[:, 2] < margins(placement.figure.body))


def _extent(figure: Figure) -> tuple[Array, Array]:
    points = np.stack(list(figure.skeleton.points.values()))[:, :2]
    crown = figure.skeleton.points["head"][:2] + figure.skeleton.frames["head"][:2, 1] * figure.body.head[1]
    points = np.vstack([points, crown])
    return points.min(0) - 0.05, points.max(0) + 0.05


def place(rng: np.random.Generator, figure: Figure, width: int, height: int, near: Placement | None) -> Placement:
    """Put a figure into the photo: mostly whole, sometimes cut by the photo's edge, or beside ``near``."""
    low, high = _extent(figure)
    size = np.maximum(high - low, (0.5, 1.1))
    if near is not None:
        scale = near.scale * rng.uniform(0.75, 1.1)
        x = near.x + rng.choice([-1, 1]) * rng.uniform(0.25, 1.1) * scale
        y = near.y - (near.scale - scale) * rng.uniform(0.1, 0.5) + rng.normal(0, 0.04) * scale
        return Placement(figure, float(scale), float(x), float(y))
    if rng.random() < 0.1:  # too near for the photo: feet, or a side, outside
        scale = height / size[1] * rng.uniform(1.0, 1.5)
        x = width * rng.uniform(0.15, 0.85) - scale * (low[0] + high[0]) / 2
        y = height * rng.uniform(0.02, 0.2) + scale * high[1]
        return Placement(figure, float(scale), float(x), float(y))
    fit = min(height / size[1], width / size[0])
    scale = fit * rng.uniform(0.35, 0.97)
    spare_x, spare_y = width - scale * (high[0] - low[0]), height - scale * (high[1] - low[1])
    x = spare_x * rng.uniform(0, 1) - scale * low[0]
    y = spare_y * rng.uniform(0.3, 1) + scale * high[1]
    return Placement(figure, float(scale), float(x), float(y))


def sample_scene(rng: np.random.Generator) -> tuple[Scene, list[Layer]]:
    """Draw a photo's persons and render each alone, from far to near.

    Persons of whom too little would be seen are drawn again, and left out after a few tries; there is always one.
    """
    width, height = SIZES[rng.integers(len(SIZES))]
    light = sample_light(rng)
    count = int(rng.choice([1, 2, 3], p=[0.72, 0.2, 0.08]))
    people: list[tuple[Placement, Layer]] = []
    tries = 0
    while not people or (len(people) < count and tries < 4 * count):
        tries += 1
        near = people[0][0] if people else None
        placement = place(rng, sample_figure(rng), width, height, near)
        layer = render_person(placement, light, width, height)
        if layer is None or _keypoints_inside(placement, width, height).sum() < MIN_KEYPOINTS:
            continue
        crowd = sorted([*people, (placement, layer)], key=lambda person: person[0].scale)
        shares = visible_shares([each for _, each in crowd], width, height)
        if min(shares) >= MIN_VISIBLE:
            people.append((placement, layer))
    people.sort(key=lambda person: person[0].scale)
    scene = Scene(width, height, tuple(placement for placement, _ in people), light)
    return scene, [layer for _, layer in people]


def _keypoints_inside(placement: Placement, width: int, height: int) -> NDArray[np.bool_]:
    xy = placement.to_image(placement.figure.skeleton.keypoints())
    return np.asarray(((xy >= 0) & (xy <= (width - 1, height - 1))).all(1))


def silhouettes(layers: list[Layer], width: int, height: int) -> list[NDArray[np.bool_]]:
    """Each person's pixels that no nearer person covers, Shape: (height, width) each."""
    taken = np.zeros((height, width), bool)
    masks: list[NDArray[np.bool_]] = []
    for layer in reversed(layers):
        mask = np.zeros((height, width), bool)
        mask[layer.window()] = layer.alpha > 0.5
        masks.append(mask & ~taken)
        taken |= mask
    return masks[::-1]


def visible_shares(layers: list[Layer], width: int, height: int) -> list[float]:
    """The share of each person's silhouette that no nearer person covers."""
    masks = silhouettes(layers, width, height)
    return [float(m.sum() / max(1, (p.alpha > 0.5).sum())) for m, p in zip(masks, layers, strict=True)]


def render_scene(rng: np.random.Generator, scene: Scene, layers: list[Layer]) -> NDArray[np.uint8]:
    """The photo, RGB, Shape: (height, width, 3)."""
    image = sample_background(rng, scene.height, scene.width)
    for placement, layer in zip(scene.placements, layers, strict=True):
        _draw_support(rng, image, placement)
        view = image[layer.window()]
        view *= (1 - layer.alpha)[..., None]
        view += layer.color
    return _expose(rng, image)


def _draw_support(rng: np.random.Generator, image: Floats, placement: Placement) -> None:
    """A soft shadow at the feet, and something to sit on for who sits."""
    points = placement.figure.skeleton.points
    names = ("left_heel", "right_heel", "left_toe", "right_toe", "left_hip", "right_hip")
    xy = placement.to_image(np.stack([points[name] for name in names]))
    scale = placement.scale
    if placement.figure.pose.kind == "sitting" and rng.random() < 0.7:
        x0, x1 = xy[4:, 0].min() - 0.2 * scale, xy[4:, 0].max() + 0.2 * scale
        y0, y1 = xy[4:, 1].mean() + 0.02 * scale, max(xy[:4, 1].max(), xy[4:, 1].mean() + 0.2 * scale)
        top = y0 - rng.choice([0.0, 0.45]) * scale
        color = random_color(rng)
        corners = [tuple(int(np.clip(v, -2000, 4000)) for v in p) for p in ((x0, top), (x1, y0), (x0, y0), (x1, y1))]
        cv2.rectangle(image, corners[0], corners[1], (color * 0.8).tolist(), -1)
        cv2.rectangle(image, corners[2], corners[3], color.tolist(), -1)
    feet = xy[:4]
    shadow = np.zeros(image.shape[:2], np.float32)
    centre = feet.mean(0)
    axes = (int(np.ptp(feet[:, 0]) / 2 + 0.16 * scale), int(0.06 * scale + 2))
    cv2.ellipse(shadow, (int(centre[0]), int(feet[:, 1].max())), axes, 0, 0, 360, 1.0, -1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, 0.03 * scale))
    image *= 1 - (rng.uniform(0.2, 0.6) * shadow)[..., None]


def _expose(rng: np.random.Generator, image: Floats) -> NDArray[np.uint8]:
    """What a camera does: exposure, white balance, contrast, a little blur and grain."""
    image = 128 + (image - 128) * rng.uniform(0.75, 1.12)
    image = image * f32(rng.uniform(0.75, 1.15) * rng.uniform(0.93, 1.07, 3))
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.9)))
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None] * rng.uniform(1, 7)
    return np.asarray(np.clip(np.rint(image + grain), 0, 255), np.uint8)


def guessable(seen: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which keypoints could be labelled without being seen, as COCO's annotators do it.

    Not the face through the person's own head; an elbow or knee only between two seen neighbours; not a wrist or
    ankle, which has but one; shoulders and hips always.

    Args:
        seen: Shape (17,), bool: in the photo and hidden by nothing.
        own: Shape (17,), bool: not hidden by the own body.
    """
    result = np.ones(len(seen), bool)
    result[:FACE] = own[:FACE]
    for inner, middle, outer in LIMBS:
        result[middle] = seen[inner] & seen[outer]
        result[outer] = False
    return result


def annotate(scene: Scene, layers: list[Layer]) -> list[dict[str, Any]]:
    """COCO person annotations without ids, from far to near.

    Visibility: 2 seen; 1 inside the photo but hidden, by the own body or a nearer person; 0 outside the photo, or
    hidden where COCO's annotators label nothing (:func:`guessable`). ``bbox`` and ``area`` are those of the pixels
    seen. Coordinates are image px with two decimals.
    """
    masks = silhouettes(layers, scene.width, scene.height)
    annotations = []
    for index, (placement, layer) in enumerate(zip(scene.placements, layers, strict=True)):
        xy = np.round(placement.to_image(placement.figure.skeleton.keypoints()), 2)
        inside = _keypoints_inside(placement, scene.width, scene.height)
        pixel = np.rint(np.clip(xy, 0, (scene.width - 1, scene.height - 1))).astype(int)
        covered = np.zeros(len(xy), bool)
        for nearer in masks[index + 1 :]:
            covered |= nearer[pixel[:, 1], pixel[:, 0]]
        seen = inside & layer.own & ~covered
        flags = np.where(seen, 2, np.where(inside & guessable(seen, layer.own), 1, 0))
        xy[flags == 0] = 0
        rows, columns = np.nonzero(masks[index])
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        annotations.append({
            "category_id": 1,
            "iscrowd": 0,
            "keypoints": [v for (x, y), f in zip(xy.tolist(), flags.tolist(), strict=True) for v in (x, y, f)],
            "num_keypoints": int((flags > 0).sum()),
            "bbox": [float(v) for v in box],
            "area": float(rows.size),
            "segmentation": _polygons(masks[index]),
        })  # fmt: skip
    return annotations


def _polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The outlines of a mask as COCO polygons, to about a pixel."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [cv2.approxPolyDP(contour, 0.8, True).reshape(-1) for contour in contours]
    return [[float(v) for v in outline] for outline in outlines if outline.size >= 6]
