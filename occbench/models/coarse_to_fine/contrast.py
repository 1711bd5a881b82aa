"""The first layer: a Gaussian pyramid of the image, and local contrast normalisation of each of its levels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError, unknown_name
from .precision import full_precision

FLOORS = ("threshold", "mean")


@MODELS.register_module()
class LocalContrastNorm(nn.Module):
    """Subtracts the local mean, then divides by the local deviation; both over a Gaussian window and all channels.

    This is Torch 7's rule, by which the paper's network was made: near the border, means and deviations are divided by
    what the window sums to there (the deviation after its root). The paper gives no size.

    Args:
        size: Of the window, px; odd.
        sigma: Of the Gaussian, px; by default a quarter of the size.
        threshold: Least deviation that is divided by.
        floor: ``threshold``; or ``mean``: deviations below their mean over the image count as that (Jarrett et al.).

    Raises:
        OccbenchError: The size is even, or the floor unknown.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self, size: int = 9, sigma: float | None = None, threshold: float = 1e-4, floor: str = "threshold"
    ) -> None:
        super().__init__()
        if floor not in FLOORS:
            raise unknown_name("floor", floor, FLOORS)
        if size < 1 or size % 2 == 0:
            raise OccbenchError(f"the window of a local contrast normalisation has an odd size, but got size={size}")
        self.size = size
        self.sigma = sigma or size / 4
        kernel = self.kernel(torch.float32)
        self.register_buffer("rows", kernel[None, None, :, None].clone(), persistent=False)
        self.register_buffer("columns", kernel[None, None, None].clone(), persistent=False)
        self.threshold = threshold
        self.floor = floor

    def kernel(self, dtype: torch.dtype) -> Tensor:
        """The Gaussian along one axis, shape (size,), its sum 1."""
        steps = torch.arange(self.size, dtype=torch.float64) - self.size // 2
        kernel = torch.exp(-0.5 * (steps / self.sigma).square())
        return (kernel / kernel.sum()).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images, of images (B, C, H, W); float32 at least, whatever the precision around it is."""
        with full_precision(x):
            x = x if x.dtype == torch.float64 else x.float()
            share = self._blurred(torch.ones_like(x[:1, :1]))
            x = x - self._blurred(x.mean(1, keepdim=True)) / share
            deviation = self._blurred(x.square().mean(1, keepdim=True)).clamp(min=0).sqrt() / share
            if self.floor == "mean":
                return x / torch.maximum(deviation, deviation.mean((2, 3), keepdim=True)).clamp(min=self.threshold)
            return x / deviation.clamp(min=self.threshold)

    def _blurred(self, x: Tensor) -> Tensor:
        """Of one channel."""
        rows, columns = self.rows, self.columns
        if x.dtype != rows.dtype:
            kernel = self.kernel(x.dtype).to(x.device)
            rows, columns = kernel[None, None, :, None], kernel[None, None, None]
        reach = self.size // 2
        return F.conv2d(F.conv2d(x, rows, padding=(reach, 0)), columns, padding=(0, reach))


class GaussianPyramid(nn.Module):
    """Images at full, half, quarter, ... resolution.

    Px (u, v) of a level with scale 1 / s is the image point (u + .5) s - .5. Its kernel, (1, 3, 3, 1) / 8 along both
    axes, is of even length: it lies between two px, where the next level has one.

    Args:
        levels: How many, the images themselves among them.
    """

    kernel: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        binomial = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", (binomial[:, None] * binomial)[None, None].clone(), persistent=False)
        self.levels = levels

    def forward(self, images: Tensor) -> list[Tensor]:
        """The levels of images (B, C, H, W)."""
        found = [images]
        with full_precision(images):
            for _ in range(self.levels - 1):
                padded = F.pad(found[-1], (1, 1, 1, 1), mode="replicate")
                one_by_one = padded.flatten(0, 1)[:, None]
                halved = F.conv2d(one_by_one, self.kernel.to(images.dtype), stride=2)
                found.append(halved[:, 0].unflatten(0, (-1, images.shape[1])))
        return found
