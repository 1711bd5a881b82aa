"""Boxes of detectors as other tools write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from occbench.data.findings import Finding
from occbench.data.persons import Dataset
from occbench.data.sources import open_dataset
from occbench.system.errors import OccbenchError

from .conftest import Content, Place
from .test_annotations import second_category, text_ids


def boxes(place: Place) -> list[Content]:
    """Everybody's box."""
    people = place.content["annotations"]
    kept = ("image_id", "category_id", "bbox")
    return [{**{name: person[name] for name in kept}, "score": 0.9} for person in people]


def opened(place: Place, found: list[Content]) -> Dataset:
    """The people in these boxes."""
    (place.folder / "boxes.json").write_text(json.dumps(found))
    return open_dataset(str(place.people.annotations), boxes="boxes.json")


def said(dataset: Dataset, kind: str) -> Finding:
    """The one finding of a kind."""
    (finding,) = [one for one in dataset.findings if one.kind == kind]
    return finding


@pytest.mark.parametrize("change", [text_ids, second_category])
def test_boxes_go_by_the_annotations_ids_and_categories(place: Place, change: Callable[[Content], None]) -> None:
    place.change(change)
    assert opened(place, boxes(place)).box_counts().matched == 7


def test_boxes_go_by_file_names(place: Place) -> None:
    names = {image["id"]: image["file_name"] for image in place.content["images"]}
    dataset = opened(place, [{**box, "image_id": names[box["image_id"]]} for box in boxes(place)])
    assert dataset.box_counts().matched == 7
    assert "the image ids of 7 boxes are file names" in said(dataset, "results-by-name").line


def test_other_categories_and_useless_boxes_are_left_out_and_said(place: Place) -> None:
    found = boxes(place)
    flat, dog = {**found[0], "bbox": [5, 5, 0, 9]}, {**found[0], "category_id": 18, "image_id": 555}
    dataset = opened(place, [flat, dog, *found])
    assert dataset.box_counts().n == 7
    assert [person.id for person in dataset.persons] == [*range(1, 8)]  # the place among the persons of the file
    assert "1 box is of other categories than the persons: 18" in said(dataset, "detections-category").line
    assert "1 of 8 persons" in said(dataset, "detections-useless").line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y, w, h: [x, y, x + w, y + h], "as x1 y1 x2 y2"),
        (lambda x, y, w, h: [x + w / 2, y + h / 2, w, h], "as x y of the middle, width and height"),
    ],
)
def test_boxes_that_are_written_otherwise(place: Place, change: Callable[..., list[float]], words: str) -> None:
    found = [{**box, "bbox": change(*box["bbox"])} for box in boxes(place)]
    assert words in said(opened(place, found), "detections-otherwise").line


def test_nobody_among_the_boxes(place: Place, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"has no box of category 1 \(person\), but of 18"):
        opened(place, [{**box, "category_id": 18} for box in boxes(place)])
