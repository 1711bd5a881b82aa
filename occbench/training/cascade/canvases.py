"""The persons of a training as canvases in memory, cut as an attack cuts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...attacks import Skeleton
from ...data.persons import Dataset
from ...data.records import torso
from ...estimators.crops import CropPipeline
from ...system.errors import OccbenchError


@dataclass(frozen=True, eq=False)
class Canvases:
    """N persons. Coordinates are in canvas units (see ``models.deeppose.boxes``).

    Attributes:
        images: Shape (N, S, S, 3), uint8, BGR; in memory as planes, which is what is read of them.
        truth: Shape (N, K, 2), float32; anything where not labelled.
        labelled: Shape (N, K), bool.
        diameters: Shape (N,), float32: of the true poses, from a shoulder to the opposite hip; NaN where these are not
            labelled on either diagonal.
        px: Shape (N,), float32: a px of the photo.
        swap: Shape (K,), int: which joint each one is in the mirror.
    """

    images: Tensor
    truth: Tensor
    labelled: Tensor
    diameters: Tensor
    px: Tensor
    swap: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def measured(self) -> Tensor:
        """Shape (N,), bool: who has a diameter, without which there are no boxes around joints."""
        return self.diameters.isfinite() & (self.diameters > 0)

    def lengths(self, unit: str) -> Tensor:
        """What displacements are measured in, shape (N,); NaN for persons without a diameter."""
        return torch.where(self.measured, self.diameters if unit == "diam" else self.px, torch.nan)


def cut_canvases(
    pipeline: CropPipeline, dataset: Dataset, advance: Callable[[int], None] = lambda persons: None
) -> Canvases:
    """The canvases of every person of a data set.

    Args:
        pipeline: Of the cascade's config.
        dataset: Whose annotated persons.
        advance: Told that a person is cut.

    Raises:
        OccbenchError: The data have other keypoints than the config, or nobody has a diameter.
    """
    pipeline.require(dataset.skeleton)
    side = pipeline.input_size[0]
    people = [person for person in dataset.persons if person.labelled.any()]
    k = len(dataset.skeleton.keypoints)
    images = np.empty((len(people), 3, side, side), np.uint8)
    truth = np.zeros((len(people), k, 2), np.float32)
    px = np.empty(len(people), np.float32)
    for i, crop in enumerate(pipeline.cut_all(people)):
        images[i] = crop.image.transpose(2, 0, 1)
        truth[i] = crop.keypoints / side - 0.5
        px[i] = 1 / crop.scale[0]
        advance(1)
    labelled = np.array([person.labelled for person in people])
    found = Canvases(
        torch.from_numpy(images).permute(0, 2, 3, 1),
        torch.from_numpy(truth),
        torch.from_numpy(labelled),
        torch.from_numpy(diameters(truth, labelled, dataset.skeleton)),
        torch.from_numpy(px),
        torch.tensor(pipeline.flip_indices),
    )
    if not found.measured.any():
        raise OccbenchError(
            f"nobody in {dataset.name!r} has a shoulder and the opposite hip labelled, whose distance is the diameter "
            "that a cascade's boxes are sized by; give data with both"
        )
    return found


def diameters(truth: np.ndarray, labelled: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """From the left shoulder to the right hip, or else from the right to the left; NaN where neither is labelled."""
    pairs: Sequence[float] = [torso(pose, known, skeleton) for pose, known in zip(truth, labelled, strict=True)]
    return np.array(pairs, np.float32)
