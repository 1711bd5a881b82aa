"""The network of every stage (Section 3.1): five convolutions and two layers of 4096, after Krizhevsky et al."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError, unknown_name

WIDTHS = (96, 256, 384, 384, 256)
NORMS = ("lrn", "batch")
INITIAL_STD = 0.01


@MODELS.register_module()
class DeepPoseNetwork(BaseModule):
    """C(11x11, stride 4) LRN P C(5x5) LRN P C(3x3) C(3x3) C(3x3) P F F and 2k linear outputs; ReLU after every C and F.

    The first convolution is padded by 3 px before and 4 behind, which alone gives the paper's 55, 27, 13 (and 6 behind
    the last pooling) from 220 px. Pooling is 3x3 with stride 2. LRN is Krizhevsky's formula (size 5, k 2, alpha 1e-4,
    beta .75), whose alpha torch divides by the size.

    Args:
        keypoints: K.
        size: Side of the input, px.
        widths: Maps of the five convolutions.
        units: Of the two fully connected layers.
        dropout: Chance that a unit of these is dropped.
        norm: ``lrn``; or ``batch``, which is not the paper's: batch normalisation before every ReLU and no LRN, for
            short trainings.

    Raises:
        OccbenchError: A number is not what it can be, or the input is too small.
    """

    def __init__(
        self,
        keypoints: int = 14,
        size: int = 220,
        widths: Sequence[int] = WIDTHS,
        units: int = 4096,
        dropout: float = 0.6,
        norm: str = "lrn",
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise unknown_name("norm", norm, NORMS)
        if len(widths) != 5 or min(*widths, units, keypoints) < 1 or not 0 <= dropout < 1:
            raise OccbenchError(
                f"a DeepPose network has five widths, units and keypoints of at least 1 and a dropout in [0, 1), but "
                f"got widths={tuple(widths)}, units={units}, keypoints={keypoints}, dropout={dropout}"
            )
        self.keypoints = keypoints
        self.size = size
        self.norm = norm
        self.pad = nn.ZeroPad2d((3, 4, 3, 4))
        ins = (3, *widths[:4])
        shapes = ((11, 4, 0), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # kernel, stride, padding
        for i, (inputs, outputs, (kernel, stride, padding)) in enumerate(zip(ins, widths, shapes, strict=True), 1):
            setattr(self, f"c{i}", nn.Conv2d(inputs, outputs, kernel, stride, padding))
            setattr(self, f"n{i}", nn.BatchNorm2d(outputs) if norm == "batch" else nn.Identity())
        self.lrn = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2) if norm == "lrn" else nn.Identity()
        self.pool = nn.MaxPool2d(3, 2)
        self.f6 = nn.Linear(widths[4] * self.map_sizes(size)[-1] ** 2, units)
        self.f7 = nn.Linear(units, units)
        for name in ("n6", "n7"):
            setattr(self, name, nn.BatchNorm1d(units) if norm == "batch" else nn.Identity())
        self.out = nn.Linear(units, 2 * keypoints)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(dropout)

    @staticmethod
    def map_sizes(size: int) -> tuple[int, int, int, int]:
        """Sides of the maps of the first convolution and behind each pooling: 55, 27, 13, 6 for 220.

        Raises:
            OccbenchError: Nothing is left.
        """
        sides = [(size + 7 - 11) // 4 + 1]
        for _ in range(3):
            sides.append((sides[-1] - 3) // 2 + 1)
        if sides[-1] < 1:
            raise OccbenchError(f"a DeepPose network needs an input of at least 60 px, but got size={size}")
        return sides[0], sides[1], sides[2], sides[3]

    def forward(self, x: Tensor) -> Tensor:
        """Normalised coordinates, shape (B, K, 2), float32 at least, of images (B, 3, size, size)."""
        x = self.pool(self.lrn(self.relu(self.n1(self.c1(self.pad(x))))))
        x = self.pool(self.lrn(self.relu(self.n2(self.c2(x)))))
        x = self.relu(self.n3(self.c3(x)))
        x = self.relu(self.n4(self.c4(x)))
        x = self.pool(self.relu(self.n5(self.c5(x))))
        x = self.drop(self.relu(self.n6(self.f6(x.flatten(1)))))
        x = self.drop(self.relu(self.n7(self.f7(x))))
        return self.out(x).float().unflatten(1, (self.keypoints, 2))

    def init_weights(self) -> None:
        """Normal weights of deviation .01 and biases 0 (the text is silent; [14]'s); behind batch norms He et al.'s."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                if self.norm == "batch" and module is not self.out:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.normal_(module.weight, std=INITIAL_STD)
                nn.init.zeros_(module.bias)
        self._is_init = True  # as MMEngine marks it
