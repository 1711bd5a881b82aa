"""What is painted into a region (PROTOCOL sections 4 and 10)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .inpaint import inpainted_window
from .regions import Region

PART_BLUR = (31, 5.0)
"""Kernel (px) and sigma of the blur of a part."""


def keypoint_blur(radius: float) -> tuple[int, float]:
    """Kernel 2r - 1 (px, odd) of a keypoint's blur, and its sigma by OpenCV's rule 0.3 ((k - 1)/2 - 1) + 0.8.

    A radius that is not whole takes the kernel of the nearest whole one (halfway: the even one), at least 1.
    """
    kernel = max(1, 2 * round(radius) - 1)
    return kernel, 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8


def scaled_blur(blur: tuple[int, float], scale: float) -> tuple[int, float]:
    """A blur of a crop as one of the photo (PROTOCOL section 7): the nearest odd kernel, at least 1, and the sigma.

    Args:
        blur: Kernel (odd) and sigma, crop px.
        scale: Image px per crop px.
    """
    kernel, sigma = blur
    return max(1, 2 * round((kernel * scale - 1) / 2) + 1), sigma * scale


def mean_colour(crop: np.ndarray, truncate: bool = False) -> np.ndarray:
    """Per-channel mean of a crop, zero padding included, rounded to the nearest integer (thesis: truncated).

    Args:
        crop: Shape (H, W, C), uint8, C up to 4.
        truncate: Drop the fraction, as the thesis' code does.

    Returns:
        Shape (C,), uint8.
    """
    # OpenCV's sums are exact for integers, and thirty times as fast as numpy's mean over the first axis.
    mean = np.array(cv2.sumElems(crop)[: crop.shape[-1]]) / (crop.shape[0] * crop.shape[1])
    return (np.trunc(mean) if truncate else np.rint(mean)).astype(crop.dtype)


def blurred_window(crop: np.ndarray, region: Region, kernel: int, sigma: float) -> np.ndarray:
    """The window of ``region`` cut out of the Gaussian-blurred crop.

    Only the window grown by half a kernel is blurred, which gives the same bytes: past it no pixel has any weight,
    and at the crop's own edge the grown window ends there too, so that OpenCV mirrors the same pixels.

    Args:
        crop: Shape (H, W, C), uint8.
        region: Where.
        kernel: Odd, px.
        sigma: px.

    Returns:
        Shape (rows, columns, C) of the region's window.
    """
    rows, columns = region.window
    half = kernel // 2
    top, left = max(0, rows.start - half), max(0, columns.start - half)
    around = crop[top : rows.stop + half, left : columns.stop + half]
    soft = cv2.GaussianBlur(around, (kernel, kernel), sigma)
    return soft[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def paint(
    crop: np.ndarray,
    regions: Sequence[Region],
    fill: str,
    blur: tuple[int, float],
    truncate: bool = False,
    scale: float = 1.0,
) -> np.ndarray:
    """A copy of ``crop`` with every region filled from the unpainted crop; the crop itself where there is no region.

    Args:
        crop: Shape (H, W, C), uint8.
        regions: What to paint.
        fill: Of :data:`~.attack.FILLS`; where a region brings a patch, that is painted.
        blur: Kernel (px) and sigma, for ``"blur"``.
        truncate: Truncate the mean colour (thesis).
        scale: Px of the picture per crop px, for ``"inpaint"``.
    """
    if not regions:
        return crop
    painted = crop.copy()
    colour = mean_colour(crop, truncate) if fill == "meanout" else np.zeros(crop.shape[-1], crop.dtype)
    fill_regions(painted, crop, regions, fill, blur, colour, scale)
    return painted


def fill_regions(
    painted: np.ndarray,
    clean: np.ndarray,
    regions: Sequence[Region],
    fill: str,
    blur: tuple[int, float],
    mean: np.ndarray,
    scale: float = 1.0,
) -> None:
    """Fill regions of ``painted`` in place.

    Args:
        painted: Shape (H, W, C), uint8.
        clean: The same before anything was painted: what is blurred.
        regions: What to paint.
        fill: Of :data:`~.attack.FILLS`; where a region brings a patch, that is painted.
        blur: Kernel (odd, px) and sigma, for ``"blur"``.
        mean: Shape (C,), uint8, for ``"meanout"``.
        scale: Px per crop px, for ``"inpaint"``.
    """
    for region in regions:
        window = painted[region.window]
        if region.alpha is not None and region.patch is not None:
            under = cv2.multiply(window, cv2.merge([255 - region.alpha] * 3), scale=1 / 255)
            window[:] = cv2.add(region.patch, under)
        elif region.patch is not None:
            _put(window, region, region.patch)
        elif fill == "inpaint":
            _put(window, region, inpainted_window(clean, region, scale))
        elif fill == "blur":
            _put(window, region, blurred_window(clean, region, *blur))
        else:
            _put(window, region, mean if fill == "meanout" else np.zeros_like(mean))


def _put(window: np.ndarray, region: Region, content: np.ndarray) -> None:
    """Set the pixels of a region; ``content`` is (rows, columns, C) of its window, or one colour (C,)."""
    if region.mask.all():
        window[:] = content
    else:
        np.copyto(window, content, where=region.mask[..., None])
