"""What other tools export: `occbench check` says in one line what is the matter, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable

from .annotation_cases import first_keypoint, person
from .case import Arguments, Place

Spoil = Callable[[Place], Arguments]


def each(**fields: object) -> Spoil:
    """Everybody with other fields."""

    def spoil(place: Place) -> Arguments:
        place.change(lambda content: [one.update(fields) for one in content["annotations"]])
        return ()

    return spoil


CHECKED: list[tuple[str, Spoil, int]] = [
    ("an id that is text", person(id="eleven"), 0),
    ("a box without size", person(bbox=[10, 10, 0, 0]), 0),
    ("a box of negative size", person(bbox=[90, 90, -50, -50]), 0),
    ("a box outside of its photo", person(bbox=[5000, 0, 9, 9]), 0),
    ("no box", person(bbox=None), 0),
    ("a labelled keypoint far outside of its photo", first_keypoint(5000, 1, 2), 0),
    ("a labelled keypoint without a position", first_keypoint(float("nan"), 1, 2), 2),
    ("a visibility of 3", first_keypoint(-20, 1, 3), 0),
    ("an empty row of a track", person(keypoints=[], bbox=[0, 0, 0, 0], num_keypoints=0), 0),
    ("a person with a box and no keypoints", person(keypoints=[]), 0),
    ("area 0", each(area=0), 0),
    ("no area", each(area=None), 0),
    ("an area of less than a px", each(area=0.5), 0),
    ("a box of nulls", person(bbox=[None] * 4), 0),
    ("boxes in shares of the photo", each(bbox=[0.1, 0.1, 0.8, 0.8]), 0),
    ("a labelled keypoint at 0 0", first_keypoint(0, 0, 2), 0),
    ("null for iscrowd", each(iscrowd=None, area=0), 0),
    ("num_keypoints 0 for everybody", each(num_keypoints=0), 2),
]
"""What is fed, in words; how; and the exit code."""
