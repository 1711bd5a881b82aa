"""How good the boxes are: box AP of the persons, by pycocotools (PROTOCOL section 7)."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass

import numpy as np
from pycocotools.cocoeval import COCOeval

from .reference import as_coco
from .types import GroundTruth


@dataclass(frozen=True)
class BoxFigures:
    """COCO's box figures of the class person, each in 0 to 1; NaN: no such number.

    Attributes:
        ap: Mean over IoU thresholds 0.50, 0.55, ..., 0.95; ``ap50`` and ``ap75`` at one threshold.
        ar: Average recall, at most 100 boxes per image.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float


def box_figures(truth: GroundTruth, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> BoxFigures:
    """Score detected boxes against every annotated person, those without labelled keypoints included.

    As in COCO's own evaluation: 100 boxes per image at most, the area of a person from its annotation, crowds neither
    right nor wrong.

    Args:
        truth: Annotated persons.
        image: Shape (D,), int: image ids, each of them one of ``truth.image_ids``.
        boxes: Shape (D, 4), x y width height in image px.
        scores: Shape (D,).

    Raises:
        ValueError: Arrays that do not belong together, or an image that is not evaluated.
    """
    if boxes.shape != (len(image), 4) or scores.shape != (len(image),):
        raise ValueError(f"boxes must have shape ({len(image)}, 4) and scores ({len(image)},), one per image id")
    unknown = np.setdiff1d(image, truth.image_ids)
    if unknown.size:
        raise ValueError(f"image names an image that is not in truth.image_ids: {unknown[0]}")
    images = [{"id": int(i)} for i in truth.image_ids]
    # pycocotools takes an annotation with id 0 for "not matched", so persons are numbered from 1 here.
    persons = [
        {
            "id": i + 1,
            "image_id": int(truth.image[i]),
            "category_id": 1,
            "bbox": truth.bbox[i].tolist(),
            "area": float(truth.area[i]),
            "iscrowd": int(truth.crowd[i]),
        }
        for i in range(len(truth))
    ]
    found = [
        {
            "id": i + 1,
            "image_id": int(image[i]),
            "category_id": 1,
            "bbox": boxes[i].tolist(),
            "area": float(boxes[i, 2] * boxes[i, 3]),  # as COCO.loadRes has it
            "iscrowd": 0,
            "score": float(scores[i]),
        }
        for i in range(len(image))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(as_coco(images, persons), as_coco(images, found), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    stats = [math.nan if s == -1 else float(s) for s in evaluator.stats]
    return BoxFigures(stats[0], stats[1], stats[2], stats[8])
