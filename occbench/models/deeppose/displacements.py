"""How far a stage's predictions are from the truth, joint by joint, and predictions simulated from that (Eq. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNITS = ("diam", "px")
"""In what displacements are measured and drawn: diameters of the person, or px of the photo, as the paper has it."""


@dataclass(frozen=True, eq=False)
class Displacements:
    """Predicted minus true position of each joint over a training set, as a Gaussian.

    Attributes:
        mean: Shape (K, 2), float64.
        covariance: Shape (K, 2, 2), float64, by the number of examples.
        n: Shape (K,), int: examples in which the joint is labelled.
    """

    mean: Tensor
    covariance: Tensor
    n: Tensor

    @classmethod
    def measure(cls, predicted: Tensor, truth: Tensor, labelled: Tensor, lengths: Tensor) -> Displacements:
        """Of the predictions of a stage.

        Args:
            predicted: Shape (N, K, 2).
            truth: Shape (N, K, 2), the same unit; anything where not labelled.
            labelled: Shape (N, K), bool.
            lengths: Shape (N,): what displacements are measured in, the same unit; NaN leaves an example out.
        """
        counted = labelled & lengths.isfinite()[:, None]
        apart = ((predicted - truth) / lengths[:, None, None]).double().where(counted[..., None], 0)
        n = counted.sum(0)
        divisor = n.clamp(min=1)
        mean = apart.sum(0) / divisor[:, None]
        centred = (apart - mean).where(counted[..., None], 0)
        return cls(mean, torch.einsum("nki,nkj->kij", centred, centred) / divisor[:, None, None], n)

    def draw(self, joints: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """Simulated displacements.

        Args:
            joints: Shape (M,), int: of which joints.
            lengths: Shape (M,): what a unit is.
            generator: Draws them.

        Returns:
            Shape (M, 2), float64, in the unit of ``lengths``.
        """
        values, vectors = torch.linalg.eigh(self.covariance)
        roots = vectors * values.clamp(min=0).sqrt()[:, None]  # roots @ roots.T is the covariance, singular or not
        noise = torch.randn(len(joints), 2, generator=generator, dtype=torch.float64)
        drawn = self.mean[joints] + torch.einsum("mij,mj->mi", roots[joints], noise)
        return drawn * lengths.double()[:, None]

    def plain(self) -> dict[str, list[object]]:
        """As lists, for JSON."""
        return {name: getattr(self, name).tolist() for name in ("mean", "covariance", "n")}


def simulated(truth: Tensor, displacement: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """The box of a simulated prediction, and what a stage should say of it.

    Args:
        truth: Of a joint, shape (M, 2).
        displacement: Of the simulated prediction from it, shape (M, 2).
        side: Of the joint's box, shape (M,): sigma times the diameter of the true pose.

    Returns:
        The boxes' centres, shape (M, 2), and the targets N(truth; box), shape (M, 2).
    """
    return truth + displacement, -displacement / side[:, None]
