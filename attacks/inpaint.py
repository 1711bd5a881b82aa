"""A region filled plausibly from around it: only the information is gone (PROTOCOL section 10, fill inpaint)."""

from __future__ import annotations

import cv2
import numpy as np

from .regions import Region

RADIUS = 3
"""Of Telea's neighbourhoods, px."""

EXACT = 500
"""Pixels that OpenCV fills one by one, at 3 to 4 microseconds each; larger regions are filled from coarse to fine."""

_AROUND = 8  # px around a region that have any weight, with some to spare


def inpainted_window(image: np.ndarray, region: Region, scale: float = 1.0) -> np.ndarray:
    """The window of ``region``, filled by Telea's method (2004; OpenCV's, radius 3) from around the region.

    Up to :data:`EXACT` pixels the bytes are those of ``cv2.inpaint`` of the whole image. A larger region is filled at
    half the resolution (a pixel there is known where all four are, so that nothing of the region leaks), that again
    from coarse to fine; its outermost pixels become the mean of their neighbours on both sides, so that no outline is
    left. Nothing but the image outside of the region is looked at.

    Args:
        image: Shape (H, W, 3), uint8, before anything was painted.
        region: What to fill; pixels outside of its mask are returned as they are.
        scale: Image px per crop px: a photo is filled at the crop's resolution where it has a finer one.

    Returns:
        Shape (rows, columns, 3), uint8. Without any pixel around, the region is black.
    """
    around = int(np.ceil(_AROUND * max(1.0, scale)))
    rows, columns = region.window
    top, left = max(0, rows.start - around), max(0, columns.start - around)
    window = image[top : rows.stop + around, left : columns.stop + around]
    hidden = np.zeros(window.shape[:2], np.uint8)
    hidden[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = region.mask
    filled = _fill(window, hidden, scale)
    return filled[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _fill(image: np.ndarray, hidden: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """``image`` (H, W, 3) with the pixels of ``hidden`` (H, W, uint8 0 or 1) filled from the others."""
    if hidden.all():
        return np.zeros_like(image)
    if scale < 1.5 and int(hidden.sum()) <= EXACT:
        return cv2.inpaint(image, hidden, RADIUS, cv2.INPAINT_TELEA)
    h, w = hidden.shape
    half = ((w + 1) // 2, (h + 1) // 2)
    known = cv2.copyTo(image, 1 - hidden)
    coarse = cv2.resize(_even(known), half, interpolation=cv2.INTER_AREA)
    coarse_hidden = (cv2.resize(_even(hidden * 255), half, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    if coarse_hidden.all():  # only single pixels are known
        return cv2.inpaint(image, hidden, RADIUS, cv2.INPAINT_TELEA)
    coarse = _fill(coarse, coarse_hidden, scale / 2)
    fine = cv2.resize(coarse, (2 * half[0], 2 * half[1]), interpolation=cv2.INTER_LINEAR)[:h, :w]
    filled = cv2.copyTo(fine, hidden, image.copy())
    inner = cv2.erode(hidden, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return cv2.copyTo(cv2.blur(filled, (3, 3)), hidden - inner, filled)


def _even(image: np.ndarray) -> np.ndarray:
    """An image with even sides, the last row and column repeated where need be."""
    h, w = image.shape[:2]
    return cv2.copyMakeBorder(image, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE) if h % 2 or w % 2 else image
