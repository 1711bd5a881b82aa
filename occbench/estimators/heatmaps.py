"""Heatmaps of a whole batch -> keypoints and scores, as the codecs of MMPose decode one sample's (crop px).

Each codec has two functions. ``search_*`` takes heatmaps (B, C, H, W), float32, contiguous, and gives what decoding
needs of them, a table (B, K, columns), float32, on the device of the maps. ``refine_*`` makes keypoints, shape
(B, K, 2), and their scores, shape (B, K), of that table. On a CPU they have the bits of MMPose's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

Arrays = tuple[np.ndarray, np.ndarray]
Border = Literal["constant", "reflect"]


@dataclass(frozen=True, eq=False)
class Peaks:
    """Where N maps have their maxima.

    Attributes:
        x: Shape (N,), int64: column, -1 where no value is positive.
        y: Shape (N,), int64: row, -1 where no value is positive.
        values: Shape (N,), float32.
    """

    x: torch.Tensor
    y: torch.Tensor
    values: torch.Tensor


def first_maximum(rows: torch.Tensor) -> torch.Tensor:
    """Of each row of (N, L) the first maximum, shape (N,), int64."""
    import torch

    if rows.device.type == "cpu":  # there, NumPy's is ten times as fast
        return torch.from_numpy(rows.numpy().argmax(1))
    return rows.argmax(1)


def find_peaks(maps: torch.Tensor) -> Peaks:
    """The maxima of maps, shape (N, H, W), as MMPose's ``get_heatmap_maximum`` finds them."""
    rows = maps.flatten(1)
    index = first_maximum(rows)
    values = rows.gather(1, index[:, None])[:, 0]
    nowhere, width = values <= 0, maps.shape[-1]
    x, y = (index % width).masked_fill(nowhere, -1), (index // width).masked_fill(nowhere, -1)
    return Peaks(x, y, values)


def _around(maps: torch.Tensor, peaks: Peaks, radius: int) -> torch.Tensor:
    """The squares around the maxima, shape (N, (2 * radius + 1)**2), row by row; over the border, its value goes on."""
    import torch

    count, height, width = maps.shape
    offsets = torch.arange(-radius, radius + 1, device=maps.device)
    rows = (peaks.y[:, None, None] + offsets[:, None]).clamp_(0, height - 1)
    columns = (peaks.x[:, None, None] + offsets).clamp_(0, width - 1)
    return maps[torch.arange(count, device=maps.device)[:, None, None], rows, columns].flatten(1)


def _split(heatmaps: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Heatmaps (B, K, H, W) as (B * K, H, W), and (B, K)."""
    return heatmaps.flatten(0, 1).contiguous(), (heatmaps.shape[0], heatmaps.shape[1])


def table_of(columns: Sequence[torch.Tensor], shape: tuple[int, int]) -> torch.Tensor:
    """Columns (N,) or (N, n) of whatever type as one table (B, K, columns), float32: whole numbers here are small."""
    import torch

    parts = [column.float().reshape(shape[0] * shape[1], -1) for column in columns]
    return torch.cat(parts, 1).unflatten(0, shape)


def columns_of(table: np.ndarray, *widths: int) -> tuple[list[np.ndarray], tuple[int, int]]:
    """The columns that :func:`table_of` put together, each (N, width), or (N,) for width 0; and (B, K)."""
    rows = table.reshape(-1, table.shape[-1])
    ends = np.cumsum([max(1, width) for width in widths])
    parts = [
        rows[:, end - 1].copy() if width == 0 else rows[:, end - width : end].copy()
        for width, end in zip(widths, ends, strict=True)
    ]
    return parts, (table.shape[0], table.shape[1])


def search_msra(heatmaps: torch.Tensor) -> torch.Tensor:
    """For :func:`refine_msra`: maxima, whether they move along x and along y, and what is around them."""
    maps, shape = _split(heatmaps)
    height, width = maps.shape[1:]
    peaks = find_peaks(maps)
    x, y = peaks.x, peaks.y
    along_x = (x > 1) & (x < width - 1) & (y > 0) & (y < height)
    along_y = (y > 1) & (y < height - 1) & (x > 0) & (x < width)
    return table_of([x, y, peaks.values, along_x, along_y, _around(maps, peaks, 1)], shape)


def refine_msra(codec: Any, table: np.ndarray) -> Arrays:
    """MSRAHeatmap.decode: from the maximum a quarter px towards its higher neighbour, but not at the border."""
    (points, values, along_x, along_y, near), shape = columns_of(table, 2, 0, 0, 0, 9)
    near = near.reshape(-1, 3, 3)
    slope_x = np.where(along_x > 0, near[:, 1, 2] - near[:, 1, 0], 0)
    slope_y = np.where(along_y > 0, near[:, 2, 1] - near[:, 0, 1], 0)
    points += np.sign(np.stack([slope_x, slope_y], -1)) * 0.25
    return (points * codec.scale_factor).reshape(*shape, 2), values.reshape(shape)


def search_dark(codec: Any, heatmaps: torch.Tensor) -> torch.Tensor:
    """For :func:`refine_dark`: maxima, whether they move, the blurred map's maximum and what is around in it."""
    maps, shape = _split(heatmaps)
    height, width = maps.shape[1:]
    peaks = find_peaks(maps)
    x, y = peaks.x, peaks.y
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    blurred = blurred_maps(maps, codec.blur_kernel_size, codec.blur_kernel_size)
    highest = blurred.flatten(1).amax(1)
    return table_of([x, y, peaks.values, inside, highest, _around(blurred, peaks, 2)], shape)


def refine_dark(codec: Any, table: np.ndarray) -> Arrays:
    """MSRAHeatmap.decode with ``unbiased``: a Newton step on the log of the blurred map, but not at the border."""
    (points, values, inside, highest, near), shape = columns_of(table, 2, 0, 0, 0, 25)
    scale = restoring_factor(values, highest)
    near = np.log(np.maximum(near.reshape(-1, 5, 5) * scale[:, None, None], 1e-10))
    slope = 0.5 * np.stack([near[:, 2, 3] - near[:, 2, 1], near[:, 3, 2] - near[:, 1, 2]], -1)
    mixed = near[:, 3, 3] - near[:, 1, 3] - near[:, 3, 1] + near[:, 1, 1]
    # MMPose calculates with NumPy scalars: those of NumPy 1 become double precision beside a Python number, those of
    # NumPy 2 do not (NEP 50), and MMPose loses digits there: on flat maps, a thousandth of a step. We keep them.
    near = near.astype(np.float64)
    along_x = near[:, 2, 4] - 2 * near[:, 2, 2] + near[:, 2, 0]
    along_y = near[:, 4, 2] - 2 * near[:, 2, 2] + near[:, 0, 2]
    hessian = 0.25 * np.stack([along_x, mixed, mixed, along_y], -1)
    dxx, dxy, _, dyy = hessian.T
    steps = (inside > 0) & (dxx * dyy - dxy**2 != 0)
    points[steps] += newton_steps(slope[steps], hessian[steps].reshape(-1, 2, 2))
    return (points * codec.scale_factor).reshape(*shape, 2), values.reshape(shape)


def newton_steps(slope: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Steps (N, 2) to the extrema of parabolas with slopes (N, 2) and Hessians (N, 2, 2).

    A Hessian without an inverse, at which MMPose ends with an error, gives no step.
    """
    with np.errstate(invalid="ignore"):
        singular = np.linalg.det(hessian) == 0
    inverse = np.linalg.inv(np.where(singular[:, None, None], np.eye(2), hessian))
    return np.where(singular[:, None], 0, -(inverse @ slope[..., None])[..., 0])


def search_udp(codec: Any, heatmaps: torch.Tensor) -> torch.Tensor:
    """For :func:`refine_udp`: maxima, the blurred map's maximum, what is around, and the ends of its last row."""
    maps, shape = _split(heatmaps)
    peaks = find_peaks(maps)
    blurred = blurred_maps(maps, codec.blur_kernel_size, codec.blur_kernel_size)
    highest = blurred.flatten(1).amax(1)
    last = blurred[:, -1]
    around = _around(blurred, peaks, 1)
    return table_of([peaks.x, peaks.y, peaks.values, highest, around, last[:, -1], last[:, 0]], shape)


def refine_udp(codec: Any, table: np.ndarray) -> Arrays:
    """UDPHeatmap.decode of Gaussian maps: a Newton step on the logarithm of the blurred map, wherever the maximum is.

    For a map without a positive value, MMPose's indices run into the last row of the sample's previous map (the first
    map: its last one). What it then says has no meaning, but its figures are compared with others', so it is said here.
    """
    (points, values, highest, near, ends), (batch, count) = columns_of(table, 2, 0, 0, 9, 2)
    scale = restoring_factor(values, highest)
    ends = ends * scale[:, None]
    previous = np.roll(ends.reshape(batch, count, 2), 1, axis=1).reshape(-1, 2)
    near = near.reshape(-1, 3, 3) * scale[:, None, None]
    near, previous = (np.log(np.clip(values, 1e-3, 50.0)) for values in (near, previous))
    nowhere = points[:, 0] < 0
    for row, column, end in ((0, 0, 0), (1, 0, 0), (0, 1, 1)):
        near[:, row, column] = np.where(nowhere, previous[:, end], near[:, row, column])
    here, left, right, up, down = near[:, 1, 1], near[:, 1, 0], near[:, 1, 2], near[:, 0, 1], near[:, 2, 1]
    slope = np.stack([0.5 * (right - left), 0.5 * (down - up)], -1)
    dxx, dyy = right - 2 * here + left, down - 2 * here + up
    dxy = 0.5 * (near[:, 2, 2] - right - down + here + here - left - up + near[:, 0, 0])
    hessian = np.stack([dxx, dxy, dxy, dyy], -1).reshape(-1, 2, 2) + np.finfo(np.float32).eps * np.eye(2)
    points += newton_steps(slope, hessian)
    return _udp_to_crop(codec, points).reshape(batch, count, 2), values.reshape(batch, count)


def search_udp_combined(codec: Any, heatmaps: torch.Tensor) -> torch.Tensor:
    """For :func:`refine_udp_combined`: maxima of the blurred label maps, and the offsets there.

    For a map without a positive value, MMPose's index is that of the last but one row of the previous map, as above.
    """
    import torch

    fields = heatmaps.unflatten(1, (-1, 3))
    batch, count, _, height, width = fields.shape
    size = 2 * codec.blur_kernel_size + 1
    peaks = find_peaks(blurred_maps(_split(fields[:, :, 0])[0], size, size, "reflect"))
    nowhere = peaks.x < 0
    flat = torch.where(nowhere, height * width - width - 1, peaks.y * width + peaks.x)
    maps = torch.arange(batch * count, device=fields.device).view(batch, count)
    maps = torch.where(nowhere, maps.roll(1, 1).flatten(), maps.flatten())
    offsets = fields.flatten(0, 1).flatten(2)[maps, :, flat][:, 1:] * (codec.radius_factor * max(width, height))
    return table_of([peaks.x, peaks.y, peaks.values, offsets], (batch, count))


def refine_udp_combined(codec: Any, table: np.ndarray) -> Arrays:
    """UDPHeatmap.decode of label maps with offsets."""
    (points, values, offsets), shape = columns_of(table, 2, 0, 2)
    return _udp_to_crop(codec, points + offsets).reshape(*shape, 2), values.reshape(shape)


def _udp_to_crop(codec: Any, points: np.ndarray) -> np.ndarray:
    width, height = codec.heatmap_size
    crop: np.ndarray = points / [width - 1, height - 1] * codec.input_size
    return crop


def restoring_factor(maxima: np.ndarray, blurred: np.ndarray) -> np.ndarray:
    """What gives blurred maps with maxima ``blurred`` (N,) their ``maxima`` (N,) back, shape (N,); NaN for zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor: np.ndarray = maxima / blurred
    return factor


def blurred_maps(maps: torch.Tensor, width: int, height: int, border: Border = "constant") -> torch.Tensor:
    """Gaussian blur of maps (N, H, W), float32, with OpenCV's kernel of this size; beyond the border are zeros."""
    import torch

    if maps.device.type == "cpu":
        return torch.from_numpy(blurred_by_opencv(maps.numpy(), width, height, border))
    return blurred_by_matrices(maps, width, height, border)


def blurred_by_opencv(maps: np.ndarray, width: int, height: int, border: Border) -> np.ndarray:
    """OpenCV's own border of zeros gives the bits of MMPose's padding, in two thirds of the time."""
    kind = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101}[border]
    blurred = np.empty_like(maps)
    for before, after in zip(maps, blurred, strict=True):
        cv2.GaussianBlur(before, (width, height), 0, after, borderType=kind)
    return blurred


def blurred_by_matrices(maps: torch.Tensor, width: int, height: int, border: Border) -> torch.Tensor:
    """Rows and columns times band matrices; in double precision, for TensorFloat-32 would be used in single."""
    columns = _blur_matrix(maps.shape[1], height, border, maps.device)
    rows = _blur_matrix(maps.shape[2], width, border, maps.device)
    return (columns @ maps.double() @ rows.T).float()


@lru_cache
def _blur_matrix(length: int, size: int, border: Border, device: torch.device) -> torch.Tensor:
    import torch

    padded = np.pad(np.eye(length), ((size // 2, size // 2), (0, 0)), border)
    kernel = cv2.getGaussianKernel(size, 0, cv2.CV_32F)[:, 0]
    matrix = sum(weight * padded[i : i + length] for i, weight in enumerate(kernel.astype(np.float64)))
    return torch.tensor(matrix, device=device)
