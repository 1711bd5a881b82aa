"""Annotations, photos and boxes that are not where `occbench attack` looks for them.

What they must not hold are cases of tests/hostile.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Occbench, People, Refusal

pytestmark = [pytest.mark.usefixtures("no_model"), pytest.mark.filterwarnings("error::RuntimeWarning")]


def attack(people: People, *options: object) -> list[object]:
    data = ("--data", people.annotations, "--images", people.images)
    return ["attack", "--model", "tinypose-128x96", "--kind", "all", *data, "--out", "run", *options]


def test_a_missing_annotation_file(people: People, refuses: Refusal) -> None:
    people.annotations.unlink()
    refuses(attack(people), "annotations.json' does not exist")


def test_a_wrong_image_folder(people: People, refuses: Refusal, tmp_path: Path) -> None:
    refuses(attack(people, "--images", tmp_path / "nowhere"), "image folder", "does not exist")
    (tmp_path / "empty").mkdir()
    refuses(attack(people, "--images", tmp_path / "empty"), "000000.jpg' is missing", "check --images")
    refuses(attack(people, "--images", tmp_path / "empty", "--skip-unreadable"), "check --images")


def test_detections_that_are_not_there(people: People, refuses: Refusal) -> None:
    refuses(attack(people, "--boxes", "boxes.json"), "detections file 'boxes.json' does not exist")
    refuses(attack(people, "--boxes", people.images), "cannot be read")


def test_photos_beside_the_annotations_are_found(people: People, occbench: Occbench) -> None:
    """The check above is no accident: with nothing spoilt, the weights are looked for."""
    answer = occbench("attack", "--model", "tinypose-128x96", "--kind", "all", "--data", people.annotations)
    assert answer.code == 1
    assert "the weights were looked for" in answer.err
