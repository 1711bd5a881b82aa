"""The figures of one cell: all keypoints together and each keypoint alone (PROTOCOL section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from . import reference
from .average_precision import curves, figures, match_masks
from .types import Detections, Figures, GroundTruth

Protocol = Literal["corrected", "thesis"]
Evaluator = Literal["exact", "pycocotools"]
EVALUATION = 5
"""Counted up when the same predictions give other scores than before.

3: predictions of persons who do not count are left out, drops are of the exact area, no interval below six photos.
4: nor do such persons take a prediction that is somebody else's; the intervals of drops are wider where a few photos
carry them.
5: intervals of drops are Student's t, whose end on the long side of skewed draws is moved out.
"""

Key: TypeAlias = int | str | None
"""Names a mask: None for all keypoints, a keypoint's index, or a word for any other choice of keypoints."""

UNLABELLED: dict[str, reference.Unlabelled] = {"corrected": "ignore", "thesis": "box"}


def evaluate_cell(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    protocol: Protocol = "corrected",
    evaluator: Evaluator = "exact",
    masks: Mapping[Key, np.ndarray | None] | None = None,
) -> dict[Key, Figures]:
    """Score one cell.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        protocol: `corrected` ignores persons without the keypoint; `thesis` compares them with their box.
        evaluator: `exact` or, to let the judge speak, `pycocotools`: the same numbers, many times slower.
        masks: By name, the keypoints that count, each (G, K) bool, or None for plain COCO. By default all keypoints
            (None) and each keypoint alone (its index).

    Returns:
        Figures by mask. Those under None, of all keypoints, are plain COCO in both protocols.

    Raises:
        ValueError: An unknown protocol or evaluator, or arrays that do not belong together.
    """
    if protocol not in UNLABELLED:
        raise ValueError(f"protocol must be one of {', '.join(UNLABELLED)}, not {protocol!r}")
    unlabelled = UNLABELLED[protocol]
    masks = cell_masks(len(truth), len(sigmas)) if masks is None else masks
    if evaluator == "pycocotools":
        return {
            key: reference.evaluate(truth, detections, sigmas, counted, unlabelled) for key, counted in masks.items()
        }
    if evaluator != "exact":
        raise ValueError(f"evaluator must be 'exact' or 'pycocotools', not {evaluator!r}")
    matches = match_masks(truth, detections, sigmas, list(masks.values()), unlabelled)
    return {key: figures(curves(matches, m)) for m, key in enumerate(masks)}


def cell_masks(persons: int, keypoints: int) -> dict[Key, np.ndarray | None]:
    """All keypoints (None) and each alone (its index). Each mask: shape (G, K), bool."""
    single = np.eye(keypoints, dtype=bool)[:, None, :]
    masks: dict[Key, np.ndarray | None] = {None: None}
    masks.update(enumerate(np.broadcast_to(single, (keypoints, persons, keypoints))))
    return masks


def visibility_masks(truth: GroundTruth) -> dict[Key, np.ndarray | None]:
    """The keypoints annotated as visible (v = 2), and those annotated as occluded (v = 1)."""
    return {"visible": truth.visibility == 2, "occluded": truth.visibility == 1}


def outside(truth: GroundTruth, covered: np.ndarray, protocol: Protocol = "corrected") -> np.ndarray:
    """The keypoints that remain when some are painted over, for the AP of the remaining ones.

    Args:
        truth: Annotated persons.
        covered: Shape (G, K), bool: the keypoints of each person inside the painted region.
        protocol: `thesis` takes a keypoint that is covered in one person of an image from all persons of that image
            (PROTOCOL section 3).

    Returns:
        Shape (G, K), bool.
    """
    if protocol == "thesis":
        _, image = np.unique(truth.image, return_inverse=True)
        union = np.zeros((int(image.max(initial=-1)) + 1, covered.shape[1]), dtype=bool)
        np.logical_or.at(union, image, covered)
        covered = union[image]
    return ~covered
