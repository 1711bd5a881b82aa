"""From pixels to positions: the quarter px, and joints that a person lacks."""

from __future__ import annotations

import numpy as np

from .grouping import Rule


def adjust(people: np.ndarray, heatmaps: np.ndarray, rule: Rule) -> np.ndarray:
    """Move every joint that was found by a quarter px towards the larger neighbour, and by the half px of a pixel.

    Args:
        people: Shape (P, K, 3 + T), of :func:`~.grouping.group`.
        heatmaps: Shape (K, H, W).
        rule: Whose.

    Returns:
        The same, moved; px of the map, whose pixels' centres lie at .5.
    """
    moved = people.copy()
    person, joint = np.nonzero(people[..., 2] > 0)
    x, y = people[person, joint, :2].astype(np.int64).T
    moved[person, joint, :2] += 0.5 + quarter(heatmaps, joint, x, y, rule)
    return moved


def quarter(heatmaps: np.ndarray, joint: np.ndarray, x: np.ndarray, y: np.ndarray, rule: Rule) -> np.ndarray:
    """The quarter px of pixels, shape (N, 2), float32.

    Args:
        heatmaps: Shape (K, H, W).
        joint: Shape (N,), int: of which joints; so the pixels ``x`` and ``y``.
        rule: Whose.
    """
    height, width = heatmaps.shape[1:]
    right, left = heatmaps[joint, y, np.minimum(x + 1, width - 1)], heatmaps[joint, y, np.maximum(x - 1, 0)]
    below, above = heatmaps[joint, np.minimum(y + 1, height - 1), x], heatmaps[joint, np.maximum(y - 1, 0), x]
    steps = np.stack([right - left, below - above], -1)
    if rule.always_shifts:
        return np.where(steps > 0, 0.25, -0.25).astype(np.float32)
    far = np.stack([(x > 1) & (x < width - 1) & (y > 0), (y > 1) & (y < height - 1) & (x > 0)], -1)
    return np.where(far, np.sign(steps) * 0.25, 0).astype(np.float32)


def fill(people: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray, rule: Rule) -> np.ndarray:
    """Give every person the joints that it lacks: where the heatmap is large and the tag is the person's.

    Args:
        people: Shape (P, K, 3 + T), of :func:`adjust`.
        heatmaps: Shape (K, H, W).
        tags: Shape (K, H, W, T).
        rule: Whose.

    Returns:
        The same with the joints that were filled in; their score is the heatmap, and what has none stays 0.
    """
    filled = people.copy()
    for person in filled:
        found = person[:, 2] > 0
        (there,) = np.nonzero(found)
        x, y = person[there, :2].astype(np.int64).T
        x, y = np.clip(x, 0, heatmaps.shape[2] - 1), np.clip(y, 0, heatmaps.shape[1] - 1)
        own = tags[there, y, x].mean(axis=0)
        for joint in np.flatnonzero(~found):
            _fill_one(person, int(joint), heatmaps, tags[joint], own, rule)
    return filled


def _fill_one(
    person: np.ndarray, joint: int, heatmaps: np.ndarray, tags: np.ndarray, own: np.ndarray, rule: Rule
) -> None:
    squares = np.square(tags[..., 0] - own[0])
    for t in range(1, len(own)):
        squares += np.square(tags[..., t] - own[t])
    distance = np.round(np.sqrt(squares, out=squares), out=squares)
    heat = heatmaps[joint]
    best = np.argmax(heat - distance) if rule.fills_by_score else np.argmin(distance * 100 - heat)
    y, x = divmod(int(best), heat.shape[1])
    score = heat[y, x]
    if rule.fills_by_score and score <= 0:
        return
    person[joint, :3] = x, y, score
    if rule.fills_between:
        one = np.array([joint]), np.array([x]), np.array([y])
        person[joint, :2] += 0.5 + quarter(heatmaps, *one, rule)[0]
