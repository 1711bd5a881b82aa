"""Where the cells of maps lie in the crop, and windows of the same context cut out of maps of any resolution.

Everywhere the half-pixel convention: px centres are whole numbers, so cell u of a map that has one cell for s px of the
crop is the crop's point (u + .5) s - .5. A window that is rounded to whole cells shifts the resolutions against each
other by up to half a cell, which is the error that the fine network is to remove; so windows are read bilinearly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError, unknown_name
from .precision import full_precision

BORDERS = ("zeros", "border")


def to_px(cells: Tensor, stride: float) -> Tensor:
    """Cells of a map -> crop px."""
    return (cells + 0.5) * stride - 0.5


def to_cells(points: Tensor, stride: float) -> Tensor:
    """Crop px -> cells of a map, with fractions."""
    return (points + 0.5) / stride - 0.5


def peaks(maps: Tensor) -> Tensor:
    """The first maximum of each map, as (column, row); shape (B, K, 2), in the maps' type, of maps (B, K, H, W)."""
    width = maps.shape[-1]
    index = maps.flatten(2).argmax(2)
    return torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1).to(maps.dtype)


@MODELS.register_module()
class CropWindows(nn.Module):
    """Cuts windows of the same context around every joint out of maps of several resolutions (Figure 6).

    Its gradients are added to the maps' where the windows were read.

    Args:
        size: Side of the windows, crop px; a whole number of cells in every map.
        border: ``zeros`` beyond the maps, or the ``border`` goes on.

    Raises:
        OccbenchError: The border is unknown.
    """

    def __init__(self, size: int = 40, border: str = "zeros") -> None:
        super().__init__()
        if border not in BORDERS:
            raise unknown_name("border", border, BORDERS)
        self.size = size
        self.border = border

    def cells(self, stride: int) -> int:
        """Side of the windows in cells of a map.

        Raises:
            OccbenchError: It is no whole number.
        """
        if self.size % stride:
            raise OccbenchError(
                f"a window of {self.size} px is no whole number of the {stride} px of a cell; give a multiple"
            )
        return self.size // stride

    def forward(self, maps: Tensor, centres: Tensor, stride: int) -> Tensor:
        """The windows, shape (B K, C, n, n) with n = size / stride.

        Args:
            maps: Shape (B, C, H, W).
            centres: Of the windows, shape (B, K, 2), crop px.
            stride: Crop px for a cell of the maps.
        """
        side = self.cells(stride)
        steps = torch.arange(side, dtype=centres.dtype, device=centres.device) - (side - 1) / 2
        places = to_cells(centres, stride)[:, :, None] + steps[:, None]  # (B, K, n, 2): columns and rows apart
        columns = (2 * places[..., 0] + 1) / maps.shape[-1] - 1  # as grid_sample counts without aligned corners
        rows = (2 * places[..., 1] + 1) / maps.shape[-2] - 1
        keypoints = centres.shape[1]
        grid = torch.stack(
            [columns[:, :, None].expand(-1, -1, side, -1), rows[..., None].expand(-1, -1, -1, side)], -1
        ).flatten(1, 2)
        with full_precision(maps):  # half precision would round the places
            read = F.grid_sample(maps.to(grid.dtype), grid, "bilinear", self.border, align_corners=False)
        return read.unflatten(2, (keypoints, side)).transpose(1, 2).flatten(0, 1)
