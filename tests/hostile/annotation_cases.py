"""Annotations, detections and results."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from .case import Arguments, Case, Content, Place

NAN, INF = float("nan"), float("inf")
Spoil = Callable[[Place], Arguments]


def raw(data: bytes) -> Spoil:
    """The bytes in place of the annotations."""

    def spoil(place: Place) -> Arguments:
        place.people.annotations.write_bytes(data)
        return place.attack()

    return spoil


def edit(change: Callable[[Content], object]) -> Spoil:
    """The annotations, changed."""

    def spoil(place: Place) -> Arguments:
        place.change(change)
        return place.attack()

    return spoil


def person(**fields: object) -> Spoil:
    """The first person, with other fields."""
    return edit(lambda content: content["annotations"][0].update(fields))


def image(**fields: object) -> Spoil:
    """The first photo, with other fields."""
    return edit(lambda content: content["images"][0].update(fields))


def first_keypoint(*values: float) -> Spoil:
    """The first person's nose elsewhere."""

    def change(content: Content) -> None:
        content["annotations"][0]["keypoints"][:3] = values

    return edit(change)


def half(place: Place) -> Arguments:
    """The annotations, cut off."""
    data = place.people.annotations.read_bytes()
    place.people.annotations.write_bytes(data[: len(data) // 2])
    return place.attack()


def huge(place: Place) -> Arguments:
    """A sparse file, larger than what is read."""
    os.truncate(place.people.annotations, 5 * 2**30)
    return place.attack()


def text(place: Place) -> str:
    """The annotations as they are."""
    return place.people.annotations.read_text()


def replaced(old: str, new: str) -> Spoil:
    """Another text at the first place of ``old``: what ``json.dumps`` would not write."""

    def spoil(place: Place) -> Arguments:
        content = text(place)
        assert old in content
        place.people.annotations.write_text(content.replace(old, new, 1))
        return place.attack()

    return spoil


ANNOTATIONS = [
    Case("an empty file", raw(b""), ("is not valid JSON",)),
    Case("a file that ends in the middle", half, ("is not valid JSON",)),
    Case("a photo in place of JSON", raw(b"\xff\xd8\xff\xe0" * 99), ("cannot be read", "utf-8")),
    Case("100,000 lists in each other", raw(b"[" * 100_000), ("is not valid JSON",)),
    Case("100,000 objects in each other", raw(b'{"images":' * 100_000), ("is not valid JSON",)),
    Case("a number of 5,000 digits", raw(b'{"images": 1' + b"0" * 5000 + b"}"), ("is not valid JSON", "digits")),
    Case("a sparse file of 5 GiB", huge, ("5,368,709,120 bytes", "1,073,741,824")),
    Case("a list, not an object", raw(b"[]"), ("is no COCO file",)),
    Case("an object of something else", raw(b'{"licence": "none"}'), ("is no COCO file",)),
    Case("no photos", edit(lambda c: c.update(images=[])), ("images: List should have at least 1 item",)),
    Case("no persons", edit(lambda c: c.update(annotations=[])), ("nothing to measure",)),
    Case(
        "instances without keypoints",
        edit(lambda c: [a.pop("keypoints") for a in c["annotations"]]),
        ("instances_*.json",),
    ),
    Case("null for a person", edit(lambda c: c["annotations"].append(None)), ("annotations[7]",)),
    Case("a person of a photo that is not listed", person(image_id=77), ("of image 77, which is not listed",)),
    Case("an id twice", person(id=11), ("annotation id 11 occurs twice",)),
    Case("a photo's id twice", image(id=2), ("image id 2 occurs twice",)),
    Case("an id of 30 digits", person(id=10**30), ("annotations[0].id",)),
    Case("an id that is a list", image(id=[1]), ("images[0].id", "valid integer")),
    Case("a box that is text", person(bbox="10 10 90 90"), ("annotations[0].bbox", "valid list")),
    Case("a box of three numbers", person(bbox=[1, 2, 3]), ("annotations[0].bbox", "at least 4 items")),
    Case("NaN in a box", person(bbox=[NAN, 0, 9, 9]), ("annotations[0].bbox[0]",)),
    Case("Infinity in a box", person(bbox=[0, 0, INF, 9]), ("annotations[0].bbox[2]",)),
    Case("a negative area", person(area=-1), ("annotations[0].area",)),
    Case("NaN as a keypoint", first_keypoint(NAN, 1, 2), ("is labelled", "null or NaN")),
    Case("an unlabelled keypoint at 1e300", first_keypoint(1e300, 1, 0), ("annotations[0].keypoints[0]", "1000000")),
    Case("a visibility of 7", first_keypoint(1, 1, 7), ("a visibility other than 0, 1 or 2",)),
    Case("16 keypoints", person(keypoints=[1, 1, 2] * 16), ("48 keypoint numbers",)),
    Case("text among the keypoints", person(keypoints=["x"] * 51), ("keypoints[0]", "and 50 more")),
    Case("a million keypoints", person(keypoints=[1] * 1_000_000), ("1000000 keypoint numbers",)),
    Case("a photo of width -1", image(width=-1), ("images[0].width", "greater than 0")),
    Case("a photo of 10^30 px", image(height=10**30), ("images[0].height",)),
    Case(
        "half of a character (\\ud800) in a name", replaced('"000000.jpg"', '"\\ud800.jpg"'), ("images[0].file_name",)
    ),
]

FILE_NAMES = [
    Case("../000000.jpg", image(file_name="../000000.jpg"), ("leaves the image folder",)),
    Case("a/../../000000.jpg", image(file_name="a/../../000000.jpg"), ("leaves the image folder",)),
    Case("..\\000000.jpg", image(file_name="..\\000000.jpg"), ("leaves the image folder",)),
    Case("/etc/hostname", image(file_name="/etc/hostname"), ("is missing",)),
    Case("a name with a null character", image(file_name="a\nb\0.jpg"), ("null character",)),
    Case("an empty name", image(file_name=""), ("images[0].file_name",)),
    Case("a name of 10,000 characters", image(file_name="a" * 10_000), ("File name too long", "...")),
    Case("the image folder itself", image(file_name="."), ("Is a directory",)),
]

BOX: Content = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 90, 90], "score": 0.5}


def boxes(*found: Any) -> Spoil:
    """Detections in place of the annotated boxes."""

    def spoil(place: Place) -> Arguments:
        (place.folder / "boxes.json").write_text(json.dumps(list(found)))
        return place.attack("--boxes", "boxes.json")

    return spoil


def no_list(place: Place) -> Arguments:
    """An object in place of a list."""
    (place.folder / "boxes.json").write_text(json.dumps({"boxes": [BOX]}))
    return place.attack("--boxes", "boxes.json")


DETECTIONS = [
    Case("an object, not a list", no_list, ("must be a list",)),
    Case("no box", boxes(), ("no box of category 1",)),
    Case("a box of a photo that is not listed", boxes({**BOX, "image_id": 77}), ("the first is 77",)),
    Case("a photo's id of 1,000 digits", boxes({**BOX, "image_id": 10**1000}), ("the first is 10", "...")),
    Case("NaN in a box", boxes({**BOX, "bbox": [NAN, 1, 2, 3]}), ("[0].bbox[0]",)),
    Case("Infinity in a box", boxes({**BOX, "bbox": [0, 0, INF, 3]}), ("[0].bbox[2]",)),
    Case("a box without size", boxes({**BOX, "bbox": [5, 5, 0, 9]}), ("has no area",)),
    Case("a box of negative size", boxes({**BOX, "bbox": [50, 50, -9, 9]}), ("has no area",)),
    Case("a box outside of its photo", boxes({**BOX, "bbox": [9000, 0, 9, 9]}), ("lies outside",)),
    Case("a score of NaN", boxes({**BOX, "score": NAN}), ("[0].score",)),
    Case("a score of 1e300", boxes({**BOX, "score": 1e300}), ("[0].score", "1000000")),
    Case("null for a box", boxes(BOX, None), ("[1]",)),
    Case("no photo's id, no score", boxes({"bbox": [1, 2, 3, 4]}), ("[0].image_id", "and 1 more")),
]


def results(*found: Any) -> Spoil:
    """Keypoint results."""
    return lambda place: place.evaluate(list(found))


RESULT: Content = {"image_id": 1, "category_id": 1, "keypoints": [1.0] * 51, "score": 0.5}

RESULTS = [
    Case("a number, not a list", lambda place: place.evaluate(5), ("must be a list of persons",)),
    Case("13 keypoints", results({**RESULT, "keypoints": [1.0] * 39}), ("39 keypoint numbers",)),
    Case("NaN as a keypoint", results({**RESULT, "keypoints": [NAN] * 51}), ("[0].keypoints[0]",)),
    Case("a score of Infinity", results({**RESULT, "score": INF}), ("[0].score",)),
    Case("a score that is text", results({**RESULT, "score": "high"}), ("[0].score",)),
    Case("a person in a photo that is not listed", results({**RESULT, "image_id": 99}), ("the first is 99",)),
    Case("persons of category 0", results({**RESULT, "category_id": 0}), ("no result of category 1 (person), but 0",)),
]

LONG = "x" * 5000

LONG_NAMES = [
    Case("--data", lambda place: place.attack("--data", f"{LONG}.json"), ("File name too long",)),
    Case("--images", lambda place: place.attack("--images", LONG), ("image folder", "...")),
    Case("--boxes", lambda place: place.attack("--boxes", f"{LONG}.json"), ("File name too long",)),
    Case("--model", lambda place: place.attack("--model", f"{LONG}.py"), ("no config file", "...")),
    Case("--checkpoint", lambda place: place.attack("--checkpoint", LONG), ("no checkpoint file", "...")),
]
