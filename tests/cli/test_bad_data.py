"""Annotations, photos and boxes that `occbench attack` must refuse before it looks at the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Occbench, People, Refusal

pytestmark = [pytest.mark.usefixtures("no_model"), pytest.mark.filterwarnings("error::RuntimeWarning")]

Content = dict[str, Any]


def attack(people: People, *options: object) -> list[object]:
    data = ("--data", people.annotations, "--images", people.images)
    return ["attack", "--model", "tinypose-128x96", "--kind", "all", *data, "--out", "run", *options]


def change(people: People, spoil: Callable[[Content], object]) -> None:
    content = json.loads(people.annotations.read_text())
    spoil(content)
    people.annotations.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"{", "is not valid JSON", id="broken JSON"),
        pytest.param(b"[" * 100_000, "is not valid JSON", id="deep nesting"),
        pytest.param(b"[]", "is no COCO file", id="a list"),
        pytest.param(b'{"licence": "none"}', "is no COCO file", id="no COCO"),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff", "cannot be read", id="a photo"),
    ],
)
def test_what_is_no_annotation_file(people: People, refuses: Refusal, data: bytes, words: str) -> None:
    people.annotations.write_bytes(data)
    refuses(attack(people), "annotation file", words)


def test_a_missing_annotation_file(people: People, refuses: Refusal) -> None:
    people.annotations.unlink()
    refuses(attack(people), "annotations.json' does not exist")


def person(**fields: object) -> Callable[[Content], object]:
    return lambda content: content["annotations"][0].update(fields)


def photo(**fields: object) -> Callable[[Content], object]:
    return lambda content: content["images"][0].update(fields)


def nose_at(x: float, y: float) -> Callable[[Content], object]:
    def spoil(content: Content) -> None:
        content["annotations"][0]["keypoints"][:3] = [x, y, 2]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda c: c["annotations"][0].pop("keypoints"), "has no keypoints", id="no keypoints"),
        pytest.param(person(bbox=[float("nan"), 0, 9, 9]), "annotations[0].bbox[0]", id="NaN box"),
        pytest.param(person(bbox=[0, 0, float("inf"), 9]), "annotations[0].bbox[2]", id="infinite box"),
        pytest.param(person(bbox=[5000, 0, 9, 9]), "has no area inside", id="box outside"),
        pytest.param(nose_at(5000, 0), "nose of annotation 10 lies outside", id="keypoint outside"),
        pytest.param(person(keypoints=[1, 1, 2] * 16), "48 keypoint numbers", id="16 keypoints"),
        pytest.param(person(id=11), "annotation id 11 occurs twice", id="same annotation id"),
        pytest.param(photo(id=2), "image id 2 occurs twice", id="same image id"),
        pytest.param(photo(file_name="../people.jpg"), "leaves the image folder", id="climbing name"),
        pytest.param(photo(file_name="/etc/hostname"), "leaves the image folder", id="absolute name"),
        pytest.param(photo(file_name="a\nb\0.jpg"), "null character", id="name with a null"),
        pytest.param(photo(width=401), "is 400x300, but annotated as 401x300", id="another size"),
        pytest.param(lambda c: c["annotations"].append(None), "annotations[7]", id="annotation null"),
    ],
)
def test_annotations_that_contradict_themselves(
    people: People, refuses: Refusal, spoil: Callable[[Content], object], words: str
) -> None:
    change(people, spoil)
    refuses(attack(people), words)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda path: path.unlink(), "is missing", id="missing"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:3000]), "is truncated", id="truncated"),
        pytest.param(lambda path: path.write_text("a photo"), "is not an image", id="text"),
        pytest.param(lambda path: path.write_bytes(b""), "is empty", id="empty"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), "cannot be read", id="a folder"),
    ],
)
def test_one_bad_photo_stops_before_anything_is_computed(
    people: People, refuses: Refusal, damage: Callable[[Path], object], words: str
) -> None:
    damage(people.images / "000001.jpg")
    refuses(attack(people), "000001.jpg", words, "--skip-unreadable")


def test_a_wrong_image_folder(people: People, refuses: Refusal, tmp_path: Path) -> None:
    refuses(attack(people, "--images", tmp_path / "nowhere"), "image folder", "does not exist")
    (tmp_path / "empty").mkdir()
    refuses(attack(people, "--images", tmp_path / "empty"), "000000.jpg' is missing", "check --images")
    refuses(attack(people, "--images", tmp_path / "empty", "--skip-unreadable"), "check --images")


BOX = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 90, 90], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param({"boxes": [BOX]}, "must be a list", id="no list"),
        pytest.param([], "no box of category 1", id="empty"),
        pytest.param([{**BOX, "image_id": 77}], "the first is 77", id="unknown photo"),
        pytest.param([{**BOX, "bbox": [float("nan"), 1, 2, 3]}], "[0].bbox[0]", id="NaN box"),
        pytest.param([{**BOX, "bbox": [0, 0, float("inf"), 3]}], "[0].bbox[2]", id="infinite box"),
        pytest.param([{**BOX, "bbox": [9000, 0, 9, 9]}], "lies outside", id="box outside"),
        pytest.param([{"bbox": [1, 2, 3, 4]}], "[0].image_id: Field required (and 1 more faults)", id="no photo"),
    ],
)
def test_bad_detections(people: People, refuses: Refusal, tmp_path: Path, content: object, words: str) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    refuses(attack(people, "--boxes", "boxes.json"), "detections file 'boxes.json'", words)


def test_detections_that_are_not_there(people: People, refuses: Refusal) -> None:
    refuses(attack(people, "--boxes", "boxes.json"), "detections file 'boxes.json' does not exist")
    refuses(attack(people, "--boxes", people.images), "cannot be read")


def test_photos_beside_the_annotations_are_found(people: People, occbench: Occbench) -> None:
    """The check above is no accident: with nothing spoilt, the weights are looked for."""
    answer = occbench("attack", "--model", "tinypose-128x96", "--kind", "all", "--data", people.annotations)
    assert answer.code == 1
    assert "the weights were looked for" in answer.err
