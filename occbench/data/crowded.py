"""OCHuman and CrowdPose, both in COCO's format, exactly as MMPose's classes read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from ..attacks import COCO, CROWDPOSE
from .coco import read_coco
from .jsonfile import Id, first_fault, read_json
from .persons import Dataset

LISTED = (*CROWDPOSE.keypoints[:12], "head", "neck")
"""CrowdPose's own spelling of its keypoints."""
LEVELS = (("easy", 0.2), ("medium", 0.8), ("hard", float("inf")))
"""CrowdPose's levels: the first whose bound lies above a photo's crowd index (of its evaluation code)."""


class _Crowded(BaseModel):
    id: Id
    crowdIndex: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]  # CrowdPose's own spelling


class _Images(BaseModel):
    images: list[_Crowded]


def read_ochuman(annotations: Path, images: Path, name: str | None = None) -> Dataset:
    """Read OCHuman in COCO's format (``ochuman_coco_format_val_range_0.00_1.00.json``): COCO's 17 keypoints.

    Raises:
        OccbenchError: See :func:`~.coco.read_coco`.
    """
    return read_coco(annotations, images, name, COCO, as_is=True)


def read_crowdpose(annotations: Path, images: Path, name: str | None = None) -> Dataset:
    """Read CrowdPose (``mmpose_crowdpose_test.json``): 14 keypoints, and each photo's level by its crowd index.

    Areas are 0.53 of the boxes, as CrowdPose's evaluation takes them. ``num_keypoints`` counts visible keypoints only:
    a person without any is not measured.

    Raises:
        OccbenchError: See :func:`~.coco.read_coco`; or a photo has no crowd index.
    """
    dataset = read_coco(annotations, images, name, CROWDPOSE, listed=LISTED, as_is=True, area_of_box=True)
    what = f"annotation file {str(annotations)!r}"
    try:
        parsed = _Images.model_validate(read_json(annotations, "annotation file"))
    except ValidationError as error:
        raise first_fault(error, what) from error
    return replace(dataset, levels={image.id: level_of(image.crowdIndex) for image in parsed.images})


def level_of(crowd_index: float) -> str:
    """``easy``, ``medium`` or ``hard``."""
    return next(level for level, bound in LEVELS if crowd_index < bound)
