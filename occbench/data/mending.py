"""From annotated persons to a truth that can be scored and boxes that can be cropped, and what was done on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation.types import GroundTruth
from .findings import Finding, counted, found
from .health import NEAR, Annotated
from .records import box_around

AREA = 0.53
"""Share of a box that a person covers, where no area is annotated: MMPose's estimate."""
_THIN, _BEYOND = 0.01, 1.5
"""Shares of its box that no person's area is below, or above."""

Said = tuple[int | None, float | None, bool]
"""What a person's annotation says besides: num_keypoints, area, iscrowd."""


def mend(
    people: Annotated, said: Sequence[Said], photos: Sequence[int], as_is: bool, note_areas: bool = True
) -> tuple[GroundTruth, np.ndarray, tuple[Finding, ...]]:
    """Make the truth and the boxes.

    Keypoints of other visibilities than 0, 1, 2 and, unless ``as_is``, those outside their photo are not labelled. A
    box that is missing or has no area inside the photo is drawn around the keypoints; who has none then is left out.
    Areas that are missing or 0 are :data:`AREA` of the box.

    Args:
        people: As annotated.
        said: Of each person.
        photos: The ids of all photos.
        as_is: As of :func:`~.coco.read_coco`.
        note_areas: Whether a missing area is worth a finding.

    Returns:
        The truth; shape (G, 4), float64, x1 y1 x2 y2 of the crops, image px, NaN for who gets none; what was done.
    """
    odd = (people.visibility < 0) | (people.visibility > 2)
    visibility = np.where(odd, 0, people.visibility)
    limits = np.where(np.all(people.sizes > 0, axis=1)[:, None], people.sizes, np.inf)[:, None]
    outside = (visibility > 0) & ((people.points < -NEAR) | (people.points > limits + NEAR)).any(2)
    outside &= not as_is
    visibility[outside] = 0
    labelled = visibility > 0
    given = np.array([-1 if one[0] is None else one[0] for one in said], dtype=np.int64)
    counts = np.where((given < 0) | (outside.any(1) & ~labelled.any(1)), labelled.sum(1), given)
    crowd = np.array([one[2] for one in said], dtype=bool)
    measured = (counts > 0) & ~crowd & labelled.any(1)
    crops = _clipped(people)
    flat = measured & ~(crops[:, 2:] > crops[:, :2]).all(1)
    boxes, drawn = people.boxes.copy(), np.zeros(len(flat), dtype=bool)
    missing = ~np.isfinite(people.boxes).all(1)
    for g in np.flatnonzero(flat & (missing | (not as_is))):
        width, height = people.sizes[g].tolist()
        box = box_around(people.points[g], labelled[g], (width, height))
        if box is not None:
            drawn[g], crops[g], boxes[g] = True, box, [*box[:2], *(box[2:] - box[:2])]
    keep = drawn | ~flat | as_is
    crops[~measured | (flat & ~drawn) | (people.points.max((1, 2), initial=0) <= 0)] = np.nan
    area = np.array([np.nan if one[1] is None else one[1] for one in said], dtype=np.float64)
    lacking = np.isnan(area)
    nothing = (area == 0) & measured & (not as_is)
    boxes = np.nan_to_num(boxes)
    area = np.where(lacking | nothing, AREA * (boxes[:, 3] * boxes[:, 2]), area)
    truth = GroundTruth(
        image_ids=np.unique(np.array(photos, dtype=np.int64)),
        image=people.image[keep],
        keypoints=people.points[keep],
        visibility=visibility[keep],
        bbox=boxes[keep],
        area=area[keep],
        num_keypoints=counts[keep],
        crowd=crowd[keep],
        ids=people.ids[keep],
    )
    share = np.divide(area, boxes[:, 2] * boxes[:, 3], out=np.ones_like(area), where=boxes[:, 2:].prod(1) > 0)
    doubted = measured & keep & ((share < _THIN) | (share > _BEYOND)) & (not as_is)
    uncounted = (given == 0) & labelled.any(1) & ~crowd & (not as_is)

    def of(kind: str, text: str, concerned: np.ndarray, points: int = 0) -> tuple[Finding, ...]:
        rows = people.ids[concerned].tolist()
        return found(kind, text, rows, "annotation", points=counted(points, "keypoint"))

    findings = (
        *of(
            "visibility",
            "visibility -1 or 3: {points} of {n} person[|s]",
            np.any(odd, axis=1),
            int(odd.sum()),
        ),
        *of(
            "outside-photo",
            "labelled, but outside the photo: {points} of {n} person[|s]",
            np.any(outside, axis=1),
            int(outside.sum()),
        ),
        *of("num-keypoints-0", "num_keypoints is 0 for {n} person[|s] with labelled keypoints", uncounted),
        *of("no-box", "{n} person[ has|s have] no box", drawn & missing),
        *of(
            "box-without-area",
            "the box[ of {n} person has no area inside its photo|es of {n} persons have no area inside their photos]",
            drawn & ~missing,
        ),
        *of("no-extent", "{n} person[ has|s have] neither a box nor keypoints that make one", ~keep),
        *of("no-area", "{n} person[ has|s have] no area", lacking & measured & keep & note_areas),
        *of(
            "area-of-others",
            "the area[ of {n} person is|s of {n} persons are] less than a hundredth of the box, or more than the box",
            doubted & (doubted.sum() > max(2, 0.5 * measured.sum())),
        ),
        *of("area-0", "{n} person[ has|s have] area 0", nothing & keep),
    )
    return truth, crops[keep], findings


def _clipped(people: Annotated) -> np.ndarray:
    """Shape (G, 4), x1 y1 x2 y2, clipped to the photos as MMPose clips them."""
    last = np.where(np.all(people.sizes > 0, axis=1)[:, None], people.sizes - 1, np.inf)
    low = people.boxes[:, :2].clip(0, last)
    high = (people.boxes[:, :2] + people.boxes[:, 2:]).clip(0, last)
    return np.concatenate([low, high], 1)
