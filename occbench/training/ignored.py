"""What a bottom-up training must not punish: crowds, and persons without labels, where they are in a photo."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.jsonfile import read_json
from ..data.persons import Dataset


def ignored_regions(dataset: Dataset) -> dict[int, Any]:
    """By annotation id the region of every crowd and of every person without a labelled keypoint.

    It is the segmentation of the annotation file, a list of polygons or run-length encoded; where the file has none,
    the box.
    """
    truth = dataset.truth
    ignored = np.flatnonzero(truth.crowd | (truth.num_keypoints == 0))
    drawn = _segmentations(dataset) if len(ignored) else {}
    return {int(truth.ids[g]): drawn.get(int(truth.ids[g])) or [_rectangle(truth.bbox[g])] for g in ignored}


def _segmentations(dataset: Dataset) -> dict[int, Any]:
    """Of the annotation file, where it is COCO's."""
    if dataset.annotations.suffix.lower() != ".json":
        return {}
    content = read_json(dataset.annotations, "annotation file")
    people = content.get("annotations", []) if isinstance(content, dict) else []
    return {one["id"]: one["segmentation"] for one in people if isinstance(one.get("id"), int) and _is_region(one)}


def _is_region(annotation: dict[str, Any]) -> bool:
    """Whether an annotation's segmentation is one that can be drawn."""
    given = annotation.get("segmentation")
    if isinstance(given, dict):
        return isinstance(given.get("counts"), (list, str)) and isinstance(given.get("size"), list)
    return (
        isinstance(given, list)
        and any(isinstance(polygon, list) and len(polygon) >= 6 for polygon in given)
        and all(isinstance(polygon, list) for polygon in given)
    )


def _rectangle(box: np.ndarray) -> list[float]:
    """A box, x y width height, as a polygon."""
    x, y, width, height = (float(value) for value in box)
    return [x, y, x + width, y, x + width, y + height, x, y + height]
