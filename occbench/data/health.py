"""Annotations that can be read and still look wrong: other units, other boxes, axes or sides swapped, people twice.

Each check compares what is annotated with what it would be under the mistake, and speaks only where the mistake
explains it better. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..attacks import Skeleton
from .findings import Finding, counted, found

NEAR = 1.5
"""How far, px, a labelled keypoint or a box may lie outside its photo (annotators click on the border)."""
LOOKED_AT = 300
"""People in whom a pattern is looked for first, spread over the file; all of them where these show one."""
FEW = 3
"""A pattern of fewer people than these says nothing."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """The persons of a file as they are annotated, before anything is mended.

    Attributes:
        ids: Shape (G,), int64.
        image: Shape (G,), int64.
        points: Shape (G, K, 2), float64, image px.
        visibility: Shape (G, K), int; below 1 for not labelled.
        boxes: Shape (G, 4), float64, x y width height, image px; NaN where none is annotated.
        sizes: Shape (G, 2), width and height of each one's photo, px; 0 where not known.
    """

    ids: np.ndarray
    image: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    boxes: np.ndarray
    sizes: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Shape (G, K), bool."""
        return self.visibility > 0

    def only(self, rows: np.ndarray) -> Annotated:
        """Some of the persons."""
        arrays = (self.ids, self.image, self.points, self.visibility, self.boxes, self.sizes)
        return Annotated(*(array[rows] for array in arrays))


def look(people: Annotated, skeleton: Skeleton) -> tuple[Finding, ...]:
    """What looks wrong with the labelled persons of a file."""
    people = people.only(np.any(people.labelled, axis=1))
    if not len(people.ids):
        return ()
    places = np.unique(np.linspace(0, max(len(people.ids) - 1, 0), LOOKED_AT).astype(int))
    some = people.only(places[: len(people.ids)])
    units = _units(some) and _units(people)
    if units:
        return (*units, *_duplicates(people))
    swapped = _axes(some, skeleton) and _axes(people, skeleton)
    sides = _sides(some, skeleton) and _sides(people, skeleton)
    boxes = _boxes(people, some)
    return (
        *boxes,
        *(swapped or (*(() if boxes else _outside_box(people)), *sides)),
        *_duplicates(people),
        *_corner(people),
    )


def _corner(people: Annotated) -> tuple[Finding, ...]:
    """Labelled keypoints in the corner of the photo, where tools put those that are not."""
    there = (people.labelled & (people.points == 0).all(2)).any(1)
    text = "{n} person[ has labelled keypoints|s have labelled keypoints] at 0 0, as if they were not labelled"
    return found("corner", text, people.ids[there].tolist(), "annotation")


def _units(people: Annotated) -> tuple[Finding, ...]:
    """Shares of the photo, or percent of it, in place of px."""
    points, known = people.points[people.labelled], (people.sizes > 0).all(1)
    if not len(points):
        return ()
    large = bool(known.any()) and float(people.sizes[known].min()) > 4
    if points.min() >= 0 and points.max() <= 1 and large:
        return found(
            "normalised",
            "all labelled keypoints of {n} person[|s] lie between 0 and 1: shares of the photo, to be multiplied by "
            "its width and height",
            people.ids.tolist(),
            "annotation",
        )
    wide = bool(known.any()) and float(people.sizes[known].min()) > 250 and len(people.ids) >= FEW
    reach = points.max(0)
    if wide and points.min() >= 0 and reach.max() <= 100 and reach.min() > 30:
        return found(
            "percent",
            "no labelled keypoint of {n} person[|s] is further than 100 from its photo's corner: are these percent?",
            people.ids.tolist(),
            "annotation",
        )
    return ()


def readings(boxes: np.ndarray, sizes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Boxes as they would be if they were written as other tools write them.

    Args:
        boxes: Shape (G, 4).
        sizes: Shape (G, 2), width and height of each one's photo, px; 0 where not known.

    Yields:
        What the numbers would be, in words; shape (G, 4), x y width height, image px.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    yield "x1 y1 x2 y2", np.concatenate([low, high - low], 1)
    yield "x y of the middle, width and height", np.concatenate([low - high / 2, high], 1)
    if not len(boxes) or np.nanmax(boxes, initial=0) <= 2:
        shares = boxes * np.tile(sizes, 2)
        low, high = shares[:, :2], shares[:, 2:]
        yield "shares of the photo, x1 y1 x2 y2", np.concatenate([low, high - low], 1)
        yield "shares of the photo, x y width height", shares
        yield "shares of the photo, x y of the middle, width and height", np.concatenate([low - high / 2, high], 1)


def _boxes(people: Annotated, some: Annotated) -> tuple[Finding, ...]:
    """Boxes that are written as other tools write them, or leave their photos; ``some`` of the people are looked at."""
    given = int(np.isfinite(people.boxes).all(1).sum())
    text = "{n} of {of} run[s out of its photo| out of their photos]"
    rows, of = people.ids[_beyond(people)].tolist(), f"{given:,} box{'' if given == 1 else 'es'}"
    found_ = _otherwise(some) and _otherwise(people)
    return found_ or found("boxes-leave-photo", text, rows, "annotation", of=of)


def _beyond(people: Annotated) -> np.ndarray:
    """Shape (G,), bool: whose box leaves the photo."""
    low, high = people.boxes[:, :2], people.boxes[:, :2] + people.boxes[:, 2:]
    with np.errstate(invalid="ignore"):
        out = (high > people.sizes + 2 * NEAR) | (low < -2 * NEAR)
    return np.asarray((people.sizes > 0).all(1) & out.any(1))


def _otherwise(people: Annotated) -> tuple[Finding, ...]:
    """Boxes that hold their keypoints better, and tighter, when read in another way."""
    given, leaves = int(np.isfinite(people.boxes).all(1).sum()), _beyond(people)
    if given < FEW:
        return ()
    as_is = _holds(people, people.boxes)
    for said, boxes in readings(people.boxes, people.sizes):
        fits = _holds(people, boxes)
        with np.errstate(invalid="ignore"):
            wider = people.boxes[:, 2:].prod(1) > 1.5 * boxes[:, 2:].prod(1)
        doubtful = leaves.sum() > 0.2 * given or (fits & wider).sum() > 0.8 * given or as_is.sum() < 0.5 * given
        if fits.sum() > 0.8 * given and doubtful:
            return found(
                "boxes-otherwise",
                "{n} of {given} boxes would hold their keypoints as {said}, and {out} leave their photos as they are: "
                "COCO's boxes are x y width height",
                people.ids[fits].tolist(),
                "annotation",
                given=f"{given:,}",
                said=said,
                out=f"{int(leaves.sum()):,}",
            )
    return ()


def _holds(people: Annotated, boxes: np.ndarray) -> np.ndarray:
    """Shape (G,), bool: whose box, x y width height, has an area and nearly all of the keypoints."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return np.asarray((boxes[:, 2:] > 0).all(1) & (_share_inside(people, corners) > 0.9))


def _share_inside(people: Annotated, corners: np.ndarray, margin: float = 0.1) -> np.ndarray:
    """Shape (G,): the share of each one's labelled keypoints that lies inside x1 y1 x2 y2, grown by a share of it."""
    grow = margin * (corners[:, 2:] - corners[:, :2])
    with np.errstate(invalid="ignore"):
        low, high = (corners[:, :2] - grow)[:, None], (corners[:, 2:] + grow)[:, None]
        inside = (people.points >= low) & (people.points <= high)
        inside = inside[..., 0] & inside[..., 1]
    return np.asarray((inside & people.labelled).sum(1) / np.maximum(people.labelled.sum(1), 1))


def _outside_box(people: Annotated) -> tuple[Finding, ...]:
    corners = np.concatenate([people.boxes[:, :2], people.boxes[:, :2] + people.boxes[:, 2:]], 1)
    far = np.isfinite(corners).all(1) & (people.boxes[:, 2:] > 0).all(1) & (_share_inside(people, corners) < 0.5)
    return found(
        "keypoints-outside-box",
        "{n} of {of} [has|have] most of [the keypoints outside the box|their keypoints outside their boxes]",
        people.ids[far].tolist(),
        "annotation",
        of=counted(len(people.ids), "person"),
    )


def _axes(people: Annotated, skeleton: Skeleton) -> tuple[Finding, ...]:
    """x and y in each other's place: the keypoints leave photos and boxes, but would not the other way round."""
    turned = people.points[..., ::-1]
    known = (people.sizes > 0).all(1)
    leave, stay = (_leaving(points, people) & known for points in (people.points, turned))
    corners = np.concatenate([people.boxes[:, :2], people.boxes[:, :2] + people.boxes[:, 2:]], 1)
    other = Annotated(people.ids, people.image, turned, people.visibility, people.boxes, people.sizes)
    outside = (_share_inside(people, corners) < 0.5) & (_share_inside(other, corners) > 0.9)
    lying = lying_share(people, skeleton)
    by_photo = leave.sum() > max(1, 0.1 * known.sum()) and stay.sum() < 0.2 * leave.sum()
    by_box = outside.sum() >= FEW and outside.sum() > 0.5 * len(people.ids)
    by_pose = lying is not None and lying[0] > 0.8 and lying[1] >= 2 * FEW
    if not (by_photo or by_box or by_pose):
        return ()
    rows = people.ids[leave | outside].tolist() or people.ids.tolist()
    return found(
        "axes-swapped",
        "{n} of {of} lie[s across the photo or box| across their photos or boxes]: are x and y in each other's place?",
        rows,
        "annotation",
        of=counted(len(people.ids), "person"),
    )


def _leaving(points: np.ndarray, people: Annotated) -> np.ndarray:
    out = ((points < -NEAR) | (points > people.sizes[:, None] + NEAR)).any(2)
    return np.asarray((out & people.labelled).any(1))


def _middle(people: Annotated, skeleton: Skeleton, part: str) -> np.ndarray | None:
    """Shape (G, 2): between the left and the right joint; NaN where one is not labelled."""
    pair = [f"left_{part}", f"right_{part}"]
    if not set(pair) <= set(skeleton.keypoints):
        return None
    at = [skeleton.keypoints.index(name) for name in pair]
    middle = people.points[:, at].mean(1)
    middle[~people.labelled[:, at].all(1)] = np.nan
    return np.asarray(middle)


def lying_share(people: Annotated, skeleton: Skeleton) -> tuple[float, int] | None:
    """Of the persons with shoulders and hips, the share whose trunk does not hang down, and how many they are."""
    shoulders, hips = (_middle(people, skeleton, part) for part in ("shoulder", "hip"))
    if shoulders is None or hips is None:
        return None
    down = hips - shoulders
    down = down[np.isfinite(down).all(1)]
    if not len(down):
        return None
    return float((down[:, 1] <= np.abs(down[:, 0])).mean()), len(down)


def _sides(people: Annotated, skeleton: Skeleton) -> tuple[Finding, ...]:
    """Left and right in each other's place: who shows the face has the left shoulder on the photo's right."""
    names = ("nose", "left_eye", "right_eye", "left_shoulder", "right_shoulder")
    if not set(names) <= set(skeleton.keypoints):
        return ()
    nose, left_eye, right_eye, left, right = (skeleton.keypoints.index(name) for name in names)
    seen = people.visibility == 2 if (people.visibility == 1).any() else people.labelled
    frontal = seen[:, [nose, left_eye, right_eye]].all(1) & people.labelled[:, [left, right]].all(1)
    points = people.points
    up = points[:, nose] - points[:, [left, right]].mean(1)
    turns = [
        up[:, 0] * d[:, 1] - up[:, 1] * d[:, 0]
        for d in (points[:, left] - points[:, right], points[:, left_eye] - points[:, right_eye])
    ]
    swapped = frontal & (turns[0] < 0) & (turns[1] < 0)
    if frontal.sum() < FEW or swapped.sum() <= frontal.sum() / 2:
        return ()
    return found(
        "sides-swapped",
        "of {frontal} persons who show the face {n} have left and right in each other's place: left is one's own left",
        people.ids[swapped].tolist(),
        "annotation",
        frontal=f"{int(frontal.sum()):,}",
    )


def repeated(rows: np.ndarray) -> np.ndarray:
    """Which rows, shape (N, M), are equal to an earlier one; indices, int64."""
    weights = np.random.default_rng(0).uniform(1, 2, rows.shape[1])
    sums = (rows * weights).sum(1)  # equal for equal rows, as those of a matrix product need not be
    order = np.argsort(sums, kind="stable")
    close = np.flatnonzero(sums[order][1:] == sums[order][:-1])
    seen: set[bytes] = set()
    found_ = []
    for row in np.unique(order[np.concatenate([close, close + 1])]).tolist():
        key = rows[row].tobytes()
        if key in seen:
            found_.append(row)
        seen.add(key)
    return np.array(found_, dtype=np.int64)


def _duplicates(people: Annotated) -> tuple[Finding, ...]:
    """People who are annotated twice, with the same keypoints in the same photo."""
    shown = np.where(people.labelled[..., None], people.points, 0.0).reshape(len(people.ids), -1)
    twice = people.ids[repeated(np.column_stack([people.image, shown]))].tolist()
    return found("duplicates", "{n} person[ is|s are] annotated twice, to the last digit", twice, "annotation")
