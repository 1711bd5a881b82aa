"""Photos to the network's input as the authors' code makes them, and what the heatmap losses leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS
from pycocotools import mask as coco_mask


def input_of(width: int, height: int, side: int, multiple: int = 64) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
    """The input that a photo becomes: its shorter side gets ``side`` px, the longer one what its share asks for.

    That is cut to whole px after ``multiple - 1`` were added, then to a multiple, and the photo stands about its centre
    rounded to a whole px. MMPose's BottomupResize rounds the exact length up and does not round the centre: it makes
    832x512 of a 500x333 photo, where this makes 768x512, and differs by half a photo px for odd sides.

    Args:
        width: Of the photo, px.
        height: Likewise.
        side: Of the input's shorter side, px.
        multiple: Of which the longer side is one.

    Returns:
        Width and height of the input, px; the centre and the size, both (2,), float64, of the part of the plane that it
        shows, image px.
    """
    short = min(width, height)
    longer = int((side / short * max(width, height) + multiple - 1) // multiple * multiple)
    size = (side, longer) if width < height else (longer, side)
    centre = np.array([int(width / 2 + 0.5), int(height / 2 + 0.5)], np.float64)
    return size, centre, np.array(size, np.float64) * short / side


def matrix_of(size: tuple[int, int], centre: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The affine (2, 3) from image px to px of an input, of what :func:`input_of` returns."""
    scale = size[0] / shown[0]
    shift = np.array(size) / 2 - scale * centre
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


@TRANSFORMS.register_module()
class HigherHRNetResize(BaseTransform):
    """Makes the input of a photo, see :func:`input_of`; black where the photo ends.

    Required key: ``img``. Modified: ``img``, ``img_shape`` (height and width of the input). Added: ``input_size``,
    ``input_center``, ``input_scale`` and ``warp_mat``, as MMPose's estimators undo it by.

    Args:
        input_size: Width and height; the shorter side of the input is the smaller of the two.
        multiple: Of which the longer side is one.
    """

    def __init__(self, input_size: tuple[int, int] = (512, 512), multiple: int = 64) -> None:
        self.side = int(min(input_size))
        self.multiple = multiple

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize one photo."""
        height, width = results["img"].shape[:2]
        size, centre, shown = input_of(width, height, self.side, self.multiple)
        matrix = matrix_of(size, centre, shown)
        results["img"] = cv2.warpAffine(results["img"], matrix, size, flags=cv2.INTER_LINEAR)
        results |= {"img_shape": (size[1], size[0]), "input_size": size, "warp_mat": matrix}
        return results | {"input_center": centre, "input_scale": shown}


@TRANSFORMS.register_module()
class CountingRegions(BaseTransform):
    """The pixels that count in the heatmap losses: in the photo, and not of a crowd or a person without labels.

    It stands behind GenerateTarget. MMPose's BottomupGetHeatmapMask passes over run-length encoded regions, as COCO's
    crowds are, and scales the mask of the input where this one warps the photo's into every level.

    Required keys: ``img_shape``, ``invalid_segs``, ``heatmaps`` (a list), ``input_size``, ``warp_mat``, and ``flip`` of
    a horizontal flip behind the affine. Added: ``heatmap_mask``, a list of (1, H, W), bool.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the masks."""
        counts = (~regions(results.get("invalid_segs", ()), results["img_shape"][:2])).astype(np.uint8) * 255
        masks = []
        for heatmaps in results["heatmaps"]:
            height, width = heatmaps.shape[1:]
            steps = np.array([width, height]) / results["input_size"]
            level = cv2.warpAffine(counts, results["warp_mat"] * steps[:, None], (width, height))
            level = level[:, ::-1] if results.get("flip") else level
            masks.append(np.ascontiguousarray(level[None] > 127))
        results["heatmap_mask"] = masks
        return results


def regions(segmentations: Sequence[Any], size: tuple[int, int]) -> np.ndarray:
    """The pixels of COCO's segmentations: polygons, or run-length encoded; (H, W), bool."""
    height, width = size
    found: list[Any] = []
    for one in segmentations:
        if isinstance(one, Mapping):
            coded = isinstance(one["counts"], (str, bytes))
            found.append(one if coded else coco_mask.frPyObjects(one, height, width))
        elif one:
            found += coco_mask.frPyObjects([polygon for polygon in one if len(polygon) >= 6], height, width)
    if not found:
        return np.zeros(size, bool)
    return np.asarray(coco_mask.decode(coco_mask.merge(found)), bool)
