"""Annotated boxes, shifted and scaled by known noise: a control for what a detector's boxes cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .persons import Dataset, Person

_STREAM = 0x626F78
"""Keeps these numbers apart from other draws of the same seed."""


def jittered(dataset: Dataset, amount: float, seed: int) -> Dataset:
    """The data set with every annotated box moved and resized.

    The centre moves by up to ``amount`` of the box's width and height, and both sides are multiplied by the same factor
    from 1 - amount to 1 + amount, all drawn uniformly. A person's draw depends on the seed and the annotation alone,
    and scales with ``amount``. Boxes may leave the photo, as padded boxes do anyway.

    Args:
        dataset: With annotated boxes.
        amount: Share of the box, above 0 and below 1.
        seed: Of the draws.

    Raises:
        ValueError: The boxes are a detector's, or ``amount`` is no such share.
    """
    if dataset.detections is not None or not 0 < amount < 1:
        raise ValueError(f"only annotated boxes are jittered, by a share above 0 and below 1, not {amount:g}")
    return replace(dataset, persons=tuple(_moved(p, amount, seed) for p in dataset.persons), jitter=amount)


def _moved(person: Person, amount: float, seed: int) -> Person:
    rng = np.random.default_rng([seed, _STREAM, abs(person.id), int(person.id < 0)])
    dx, dy, grow = rng.uniform(-1, 1, 3)
    box = person.box.astype(np.float64)
    sides = box[2:] - box[:2]
    center = (box[:2] + box[2:]) / 2 + amount * np.array([dx, dy]) * sides
    half = sides * (1 + amount * grow) / 2
    moved = replace(person, box=np.concatenate([center - half, center + half]).astype(np.float32))
    if person.center is None or person.scale is None:
        return moved
    return replace(
        moved,
        center=(person.center + amount * np.array([dx, dy]) * person.scale).astype(np.float32),
        scale=(person.scale * (1 + amount * grow)).astype(np.float32),
    )
