"""The attacks that options ask for: kinds, targets, radii and placements, checked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..attacks import Attack, Cutouts, Placement, Radius, Skeleton
    from ..data.persons import Dataset
    from ..evaluation.pose_nms import PoseNms


def asked_attacks(
    skeleton: Skeleton,
    kinds: Sequence[str],
    targets: Sequence[str],
    radii: Sequence[float | str],
    placements: Sequence[str],
    width: float | None = None,
) -> list[Attack]:
    """The attacks that options ask for.

    Args:
        skeleton: The data set's keypoints and parts.
        kinds: As of :func:`occbench.attack`; so the next three.
        targets: None for all.
        radii: None for 6.
        placements: None for centred.
        width: Of the crop, px: what radii that go with it become; None where it is not known.

    Raises:
        OccbenchError: An option has a value that it cannot have.
    """
    check_kinds(kinds)
    sizes, places = [parse_radius(radius) for radius in radii], [parse_placement(text) for text in placements]
    return suite_of(skeleton, kinds, targets, sizes, places, width)


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse kinds that there are not.

    Raises:
        OccbenchError: One of them is none.
    """
    from ..attacks import GROUPS, KINDS

    if not kinds:
        raise OccbenchError("--kind names no kind of attack; `occbench ls kinds` lists them")
    for kind in kinds:
        if kind not in KINDS and kind not in GROUPS:
            raise unknown_name("kind", kind, [*KINDS, *GROUPS])


def check_targets(targets: Sequence[str]) -> None:
    """Refuse what is no target of any known data set, before one is read.

    Raises:
        OccbenchError: One of them is none.
    """
    from ..attacks import LEVELS, SKELETONS

    known = {name for skeleton in SKELETONS.values() for level in LEVELS for name in skeleton.targets(level)}
    for target in targets:
        if target not in known:
            raise unknown_name("target", target, known)


def parse_radius(given: float | str) -> float | Radius:
    """A radius from the command line: crop px, or a share of the crop's width as ``0.03w``.

    Raises:
        OccbenchError: It is none.
    """
    from ..attacks import Radius

    with contextlib.suppress(ValueError):
        radius = Radius.parse(str(given).strip())
        if isinstance(radius, Radius) or 0 < radius <= 1000:
            return radius
    raise OccbenchError(
        "--radius must be a positive number of crop px (up to 1000) or a share of the crop's width as 0.03w, but is "
        f"{given}"
    )


def parse_placement(text: str) -> Placement:
    """A placement from the command line.

    Raises:
        OccbenchError: It is none.
    """
    from ..attacks import Placement

    try:
        return Placement.parse(text)
    except ValueError as error:
        raise OccbenchError(str(error)) from error


def suite_of(
    skeleton: Skeleton,
    kinds: Sequence[str],
    targets: Sequence[str],
    radii: Sequence[float | Radius],
    placements: Sequence[Placement],
    width: float | None = None,
) -> list[Attack]:
    """:func:`asked_attacks` of parsed values.

    Raises:
        OccbenchError: A target is none of the skeleton's, or there is no such attack.
    """
    from ..attacks import CENTRED, DEFAULT_RADIUS, LEVELS, make_suite

    known = [name for level in LEVELS for name in skeleton.targets(level)]
    for target in targets:
        if target not in known:
            raise unknown_name("target", target, known)
    try:
        return make_suite(skeleton, kinds, targets, radii or [DEFAULT_RADIUS], placements or [CENTRED], width)
    except ValueError as error:
        raise OccbenchError(str(error)) from error


def asked_cutouts(
    occluders: str | PathLike[str] | None, kinds: Sequence[str], say: Callable[[str], None]
) -> Cutouts | None:
    """The cut-outs of ``--occluders``; None for the drawn ones.

    Raises:
        OccbenchError: No kind paints any, or the folder has none that can be used.
    """
    if occluders is None:
        return None
    if not any(kind.endswith(("-object", "-world")) for kind in kinds):
        raise OccbenchError("--occluders is for fill object: add --kind part-object (keypoint-object), or leave it out")
    from ..data.occluders import read_cutouts

    return read_cutouts(Path(occluders), say)


def require_donors(dataset: Dataset, suite: Sequence[Attack]) -> None:
    """Fill ``person`` pastes other persons: refuse data that have none.

    Raises:
        OccbenchError: It is asked for, and they have none.
    """
    able = {person.annotation for person in dataset.persons if person.annotation is not None and person.labelled.any()}
    if len(able) < 2 and dataset.detector is None and any(attack.fill == "person" for attack in suite):
        raise OccbenchError(
            f"fill person pastes one person's parts over another, but {dataset.name!r} has {len(able)} labelled "
            "person: choose another fill, or data of more people"
        )


def pose_nms_rule(text: str, boxes: str, scope: str, photos: bool) -> PoseNms:
    """The rule that ``--pose-nms`` names, where it can be used.

    Args:
        text: A rule with constants, or a file that `occbench fit-nms` wrote.
        boxes: What ``--boxes`` says.
        scope: What is hidden.
        photos: Whether the model sees whole photos.

    Raises:
        OccbenchError: There is no such rule, or it is not for this run.
    """
    from ..evaluation.pose_nms import PoseNms
    from ..jobs.fit_nms import read_rule

    rule = read_rule(Path(text)) if text.endswith(".json") else PoseNms.parse(text)
    if photos:
        raise OccbenchError("--pose-nms merges the poses of detected boxes, but this model finds the people itself")
    if boxes == "gt" or boxes.startswith("jitter:"):
        raise OccbenchError(
            f"--pose-nms merges poses of boxes of the same person, but --boxes {boxes} has one box a person: give "
            "detections or detector:NAME"
        )
    if scope != "image":
        raise OccbenchError(
            "--pose-nms needs --scope image: with scope person only the box that is matched to a person is attacked, "
            "its duplicates stay clean, and merging them would repair the attacked pose"
        )
    return rule
