"""What decides the outcome of a cascade's training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ...models.deeppose.displacements import UNITS
from ...system.errors import OccbenchError, unknown_name
from ..runner import STEPS

OPTIMIZERS = ("Adagrad", "Adam")
RATES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "steps": lambda share: 0.1 ** sum(share >= step for step in STEPS),
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
}
"""The learning rate's factor by the share of a stage's steps that is done."""


@dataclass(frozen=True)
class CascadeSettings:
    """The settings of a cascade's training; the paper's where it has them.

    Attributes:
        epochs: Of the first stage: passes over the persons.
        draws: Of a later stage: simulated crops a person and joint; each is mirrored with chance a half, so that 2 x
            draws stand for the paper's 40 crops and their mirror images.
        batch_size: Crops a step.
        lr: Learning rate at its highest.
        optimizer: One of :data:`OPTIMIZERS`.
        decay: How the rate falls, one of :data:`RATES`.
        seed: Seeds weights, draws and dropout.
        unit: What displacements are measured in: ``diam`` of the person, or ``px`` of the photo.
        shift: Of the first stage: most that a crop is moved, as a share of its side (the paper: "random translated").
        scale: Likewise: most that it is magnified or shrunk, as a factor from 1 (the paper: none).
        rotate: Likewise: most that it is turned, degrees (the paper: none).
        bf16: Convolutions in bfloat16, for CPUs that have it.

    Raises:
        OccbenchError: A setting is none of what it can be.
    """

    epochs: int = 100
    draws: int = 80
    batch_size: int = 128
    lr: float = 5e-4
    optimizer: str = "Adagrad"
    decay: str = "constant"
    seed: int = 0
    unit: str = "diam"
    shift: float = 0.1
    scale: float = 1.0
    rotate: float = 0.0
    bf16: bool = False

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("decay", self.decay, RATES),
            ("unit", self.unit, UNITS),
        ):
            if name not in known:
                raise unknown_name(kind, name, known)
        if min(self.epochs, self.draws, self.batch_size) < 1 or not self.lr > 0 or self.shift < 0 or self.scale < 1:
            raise OccbenchError(
                "a cascade is trained with epochs, draws and batch_size of at least 1, lr above 0, shift of at least 0 "
                f"and scale of at least 1, but got {self}"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CascadeSettings:
        """From a config's ``cascade_training``.

        Raises:
            OccbenchError: It names something else, or as the class.
        """
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                raise unknown_name("setting of cascade_training", name, names)
        return cls(**given)

    def crops(self, stage: int, persons: int, keypoints: int) -> int:
        """How many crops a stage (from 0) is trained on."""
        return persons * (self.draws * keypoints if stage else self.epochs)
