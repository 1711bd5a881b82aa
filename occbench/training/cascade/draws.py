"""Training crops of each stage, drawn from canvases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...models.deeppose.boxes import sample, sample_boxes
from ...models.deeppose.displacements import Displacements, simulated
from .canvases import Canvases
from .settings import CascadeSettings


@dataclass(frozen=True, eq=False)
class Batch:
    """B crops, and what the network should say of them.

    Attributes:
        persons: Shape (B,), int: whose canvases.
        places: Where the crops' px are read in them, shape (B, h, w, 2), canvas units; or None for boxes.
        centre: Of the boxes, shape (B, 2); or None.
        side: Of the boxes, shape (B,); or None.
        mirror: Shape (B,), bool: which crops are mirrored after they were cut.
        target: Shape (B, K, 2), float32, in units of the crop.
        weight: Shape (B, K), float32: 0 for joints that do not count.
    """

    persons: Tensor
    mirror: Tensor
    target: Tensor
    weight: Tensor
    places: Tensor | None = None
    centre: Tensor | None = None
    side: Tensor | None = None

    def cut(self, canvas: Tensor, size: int) -> Tensor:
        """The crops, shape (B, 3, size, size), of their persons' canvases (B, 3, S, S)."""
        if self.places is not None:
            crops = sample(canvas, self.places)
        else:
            assert self.centre is not None
            assert self.side is not None
            crops = sample_boxes(canvas, self.centre, self.side, size)
        return torch.where(self.mirror[:, None, None, None], crops.flip(-1), crops)


def first_batch(data: Canvases, settings: CascadeSettings, generator: torch.Generator) -> Batch:
    """Whole canvases moved (and magnified and turned) at random, half of them mirrored; every labelled joint counts.

    Joints that leave the crop still count: the network learns to point outside.
    """
    n = settings.batch_size

    def uniform(most: float, *shape: int) -> Tensor:
        return most * (2 * torch.rand(n, *shape, generator=generator) - 1)

    persons = torch.randint(len(data), (n,), generator=generator)
    moved = uniform(settings.shift, 2)
    side = torch.exp(uniform(math.log(settings.scale)))
    angle = uniform(math.radians(settings.rotate))
    mirror = torch.rand(n, generator=generator) < 0.5
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).unflatten(1, (2, 2))
    target = torch.einsum("bji,bkj->bki", turn, data.truth[persons] - moved[:, None]) / side[:, None, None]
    size = data.images.shape[1]
    steps = (torch.arange(size) + 0.5) / size - 0.5
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    offsets = torch.stack([columns, rows], -1)
    places = moved[:, None, None] + torch.einsum("bij,hwj->bhwi", side[:, None, None] * turn, offsets)
    labelled = data.labelled[persons]
    target, labelled = _mirrored(target, mirror, data.swap), _swapped(labelled, mirror, data.swap)
    return Batch(persons, mirror, target, labelled.float(), places=places)


def later_batch(
    data: Canvases, sigma: float, before: Displacements, settings: CascadeSettings, generator: torch.Generator
) -> Batch:
    """Boxes around simulated predictions of one joint of each person, half of them mirrored; that joint alone counts.

    Args:
        data: The canvases.
        sigma: Sides of boxes in diameters.
        before: Of the stage before, in ``settings.unit``.
        settings: Of the training.
        generator: Draws them.
    """
    counted = data.labelled & data.measured[:, None]
    pairs = counted.nonzero()
    persons, joints = pairs[torch.randint(len(pairs), (settings.batch_size,), generator=generator)].T
    moved = before.draw(joints, data.lengths(settings.unit)[persons], generator).float()
    mirror = torch.rand(len(persons), generator=generator) < 0.5
    side = sigma * data.diameters[persons]
    rows = torch.arange(len(persons))
    centre, wanted = simulated(data.truth[persons, joints], moved, side)
    k = data.truth.shape[1]
    weight = torch.zeros(len(persons), k)
    weight[rows, joints] = 1
    target = wanted[:, None].expand(-1, k, -1)
    target, weight = _mirrored(target, mirror, data.swap), _swapped(weight, mirror, data.swap)
    return Batch(persons, mirror, target, weight, centre=centre, side=side)


def _mirrored(points: Tensor, mirror: Tensor, swap: Tensor) -> Tensor:
    """Joints (B, K, 2) around 0 in mirrored crops, those of the sides exchanged."""
    flipped = torch.stack([-points[..., 0], points[..., 1]], -1)
    return torch.where(mirror[:, None, None], flipped[:, swap], points)


def _swapped(values: Tensor, mirror: Tensor, swap: Tensor) -> Tensor:
    """Values (B, K) of joints, those of the sides exchanged in mirrored crops."""
    return torch.where(mirror[:, None], values[:, swap], values)
