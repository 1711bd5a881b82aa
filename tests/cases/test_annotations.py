"""Annotations as other tools export them: used, with what is done about it said; or refused with the way out."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from .conftest import Content, Place, finding, overall

KEYPOINTS = 17


def second_category(content: Content) -> None:
    """Two kinds of people with the same keypoints."""
    content["categories"].append({**content["categories"][0], "id": 2, "name": "goalkeeper"})
    for person in content["annotations"][::2]:
        person["category_id"] = 2


def person_is_2(content: Content) -> None:
    """Boxes are category 1, people 2."""
    people = {**content["categories"][0], "id": 2}
    content["categories"] = [{"id": 1, "name": "person_box", "keypoints": []}, people]
    for person in content["annotations"]:
        person["category_id"] = 2


def track_row(content: Content) -> None:
    """An empty row of a track."""
    row = {"id": 900, "image_id": 1, "category_id": 1, "keypoints": [], "bbox": [0, 0, 0, 0], "num_keypoints": 0}
    content["annotations"].append({**row, "area": 0, "iscrowd": 0})


def zeros(content: Content) -> None:
    """The same with zeros for keypoints."""
    track_row(content)
    content["annotations"][-1]["keypoints"] = [0] * 51


def ball(content: Content) -> None:
    """A thing beside the people."""
    content["categories"].append({"id": 37, "name": "sports ball"})
    content["annotations"].append({"id": 901, "image_id": 1, "category_id": 37, "bbox": [10, 10, 40, 40], "iscrowd": 0})


def box_only(content: Content) -> None:
    """A person without keypoints."""
    content["annotations"].append({"id": 902, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 0})


def without(field: str) -> Callable[[Content], None]:
    """Nobody has a field."""

    def change(content: Content) -> None:
        for person in content["annotations"]:
            del person[field]

    return change


def text_ids(content: Content) -> None:
    """Photos go by names."""
    for image in content["images"]:
        image["id"] = f"cam_{image['id']}"
    for person in content["annotations"]:
        person["image_id"] = f"cam_{person['image_id']}"


def annotation_ids(content: Content) -> None:
    """People go by UUIDs."""
    for number, person in enumerate(content["annotations"]):
        person["id"] = f"3f2b-{number}"


def unlabelled(*values: object) -> Callable[[Content], None]:
    """Someone's unlabelled keypoint, in other words."""

    def change(content: Content) -> None:
        person = next(a for a in content["annotations"] if 0 in a["keypoints"][2::3])
        at = 3 * person["keypoints"][2::3].index(0)
        person["keypoints"][at : at + 3] = values

    return change


def spaces(content: Content) -> None:
    """Keypoints' names as people type them."""
    names = content["categories"][0]["keypoints"]
    content["categories"][0]["keypoints"] = [name.replace("_", " ").title() for name in names]


def nested(content: Content) -> None:
    """A list of three for every keypoint."""
    for person in content["annotations"]:
        points = person["keypoints"]
        person["keypoints"] = [points[i : i + 3] for i in range(0, 51, 3)]


def set_each(field: str, value: object) -> Callable[[Content], None]:
    """The same value for everybody."""

    def change(content: Content) -> None:
        for person in content["annotations"]:
            person[field] = value

    return change


def photos_without(*fields: str) -> Callable[[Content], None]:
    """Photos lack fields."""

    def change(content: Content) -> None:
        for image in content["images"]:
            for field in fields:
                del image[field]

    return change


USED: dict[str, tuple[Callable[[Content], None], str, tuple[str, ...]]] = {
    "several categories of people": (second_category, "warning", ("2 categories", "2 (goalkeeper)", "counted")),
    "person is category 2": (person_is_2, "note", ("7 persons", "category 2")),
    "an empty row of a track": (track_row, "warning", ("1 person has neither", "annotation 900", "left out")),
    "a row of zeros": (zeros, "warning", ("1 person has neither", "left out")),
    "a ball": (ball, "note", ("1 annotation without keypoints", "37 (sports ball)", "left out")),
    "a person with a box only": (box_only, "note", ("1 person has a box, but no keypoints", "902")),
    "area 0": (set_each("area", 0), "warning", ("7 persons have area 0", ".53 of the box")),
    "no area": (without("area"), "note", ("7 persons have no area",)),
    "no box": (without("bbox"), "warning", ("7 persons have no box", "around the labelled keypoints")),
    "null for a box": (set_each("bbox", None), "warning", ("7 persons have no box",)),
    "nulls for a box": (set_each("bbox", [None] * 4), "warning", ("7 persons have no box",)),
    "flat boxes": (set_each("bbox", [50, 50, 80, 0]), "warning", ("7 persons have no area inside", "drawn")),
    "boxes elsewhere": (set_each("bbox", [9000, 0, 9, 9]), "warning", ("7 persons have no area inside", "drawn")),
    "no photo sizes": (photos_without("width", "height"), "note", ("3 photos have no width", "read from")),
    "text for photo ids": (text_ids, "note", ("ids of 3 photos are text", "numbered")),
    "text for person ids": (annotation_ids, "note", ("ids of 7 annotations are text", "numbered")),
    "no person ids": (without("id"), "note", ("ids of 7 annotations are text or missing",)),
    "null for an unlabelled keypoint": (unlabelled(None, None, 0), "note", ("1 person has keypoints that are null",)),
    "NaN for an unlabelled keypoint": (unlabelled(float("nan"), float("nan"), 0), "note", ("null or NaN",)),
    "visibility -1": (unlabelled(0, 0, -1), "note", ("1 keypoint of 1 person", "visibility -1 or 3")),
    "visibility 3": (unlabelled(-40, -40, 3), "note", ("visibility -1 or 3",)),
    "a keypoint outside": (unlabelled(-40, 5, 2), "warning", ("1 keypoint of 1 person", "not labelled")),
    "names with spaces": (spaces, "note", ("17 keypoints are spelled otherwise",)),
}


@pytest.mark.parametrize(("change", "severity", "words"), USED.values(), ids=USED)
def test_a_usable_file_is_used_and_the_check_says_what_is_done(
    place: Place, change: Callable[[Content], None], severity: str, words: tuple[str, ...]
) -> None:
    place.change(change)
    if change in (text_ids, second_category, person_is_2):
        place.results()
    answer = place.evaluate()
    assert answer.code == 0, answer
    assert overall(answer)["n"] == 7
    assert overall(answer)["ap"] > 0.97
    assert (severity == "warning") == ("occbench: warning: " in answer.err), answer.err
    answer = place.check()
    assert answer.code == 0
    assert finding(answer, *words).startswith(severity)


def test_nested_keypoints_are_the_same(place: Place) -> None:
    place.change(nested)
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


def test_strict_refuses_what_is_left_out_or_repaired(place: Place) -> None:
    assert place.evaluate("--strict").code == 0
    place.change(track_row)
    answer = place.evaluate("--strict")
    assert answer.code == 2
    assert "annotation 900" in answer.err
    assert "--strict" in answer.err


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_windows_editors(place: Place, encoding: str) -> None:
    place.write(place.content, encoding)
    assert overall(place.evaluate())["ap"] == pytest.approx(1)
    assert finding(place.check(), "not plain UTF-8").startswith("note")


def xyxy(content: Content) -> None:
    """Corners in place of sizes."""
    for person in content["annotations"]:
        x, y, width, height = person["bbox"]
        person["bbox"] = [x, y, x + width, y + height]


def scaled(factor: float) -> Callable[[Content], None]:
    """Keypoints in other units."""

    def change(content: Content) -> None:
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for person in content["annotations"]:
            points = person["keypoints"]
            for k in range(17):
                for axis in (0, 1):
                    points[3 * k + axis] *= factor / sizes[person["image_id"]][axis]

    return change


def swapped_sides(content: Content) -> None:
    """Left and right in each other's place."""
    pairs = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
    for person in content["annotations"]:
        points = person["keypoints"]
        for a, b in pairs:
            points[3 * a : 3 * a + 3], points[3 * b : 3 * b + 3] = points[3 * b : 3 * b + 3], points[3 * a : 3 * a + 3]


def swapped_axes(content: Content) -> None:
    """y x v."""
    for person in content["annotations"]:
        points = person["keypoints"]
        for at in range(0, 51, 3):
            points[at : at + 2] = points[at + 1], points[at]


def twice(content: Content) -> None:
    """Somebody is annotated twice."""
    content["annotations"].append({**content["annotations"][0], "id": 999})


def some_uncounted(content: Content) -> None:
    """num_keypoints is 0 for two."""
    for person in content["annotations"][:2]:
        person["num_keypoints"] = 0


def centred(content: Content) -> None:
    """x y of the middle in place of a corner."""
    for person in content["annotations"]:
        x, y, width, height = person["bbox"]
        person["bbox"] = [x + width / 2, y + height / 2, width, height]


def shares(content: Content) -> None:
    """Boxes in shares of the photo, as YOLO has them."""
    centred(content)
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for person in content["annotations"]:
        person["bbox"] = [n / side for n, side in zip(person["bbox"], sizes[person["image_id"]] * 2, strict=True)]


def zero_for_unlabelled(content: Content) -> None:
    """A keypoint that is not labelled, exported as seen in the corner."""
    content["annotations"][0]["keypoints"][:3] = [0, 0, 2]


DOUBTED: dict[str, tuple[Callable[[Content], None], tuple[str, ...]]] = {
    "xyxy boxes": (xyxy, ("x1 y1 x2 y2", "x y width height")),
    "boxes by their middle": (centred, ("7 of 7 boxes", "as x y of the middle")),
    "boxes in shares": (shares, ("7 of 7 boxes", "as shares of the photo, x y of the middle")),
    "areas in shares": (set_each("area", 0.2), ("areas of 7 persons", "less than a hundredth of the box")),
    "an unlabelled keypoint in the corner": (zero_for_unlabelled, ("1 person has labelled keypoints at 0 0",)),
    "percent": (scaled(100), ("percent?",)),
    "x and y swapped": (swapped_axes, ("x and y in each other's place",)),
    "left and right swapped": (swapped_sides, ("left and right in each other's place",)),
    "a person twice": (twice, ("1 person", "annotated twice")),
    "num_keypoints 0 for some": (some_uncounted, ("num_keypoints is 0 for 2 persons", "not measured")),
}


@pytest.mark.parametrize(("change", "words"), DOUBTED.values(), ids=DOUBTED)
def test_what_looks_wrong_is_said(place: Place, change: Callable[[Content], None], words: tuple[str, ...]) -> None:
    place.change(change)
    assert finding(place.check(), *words).startswith("warning")
    place.results()
    answer = place.evaluate()
    assert answer.code == 0
    assert all(word in answer.err for word in words)


REFUSED: dict[str, tuple[Callable[[Content], None], tuple[str, ...]]] = {
    "shares of the photo": (scaled(1), ("between 0 and 1", "multiplied by its width and height")),
    "num_keypoints 0 for all": (set_each("num_keypoints", 0), ("num_keypoints is 0 for all 7 persons",)),
    "a labelled NaN": (unlabelled(float("nan"), 5, 2), ("is labelled", "null or NaN", "visibility 0")),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_figure_can_be_had_from_is_refused(
    place: Place, change: Callable[[Content], None], words: tuple[str, ...]
) -> None:
    place.change(change)
    answer = place.evaluate()
    assert answer.code == 2
    assert all(word in answer.err for word in words), answer.err
    answer = place.check()
    assert answer.code == 2
    assert finding(answer, *words).startswith("error")


def test_what_is_right_is_met_with_silence(place: Place) -> None:
    answer = place.check("--predictions", "results.json")
    assert answer.code == 0
    assert answer.out.startswith("7 persons to measure on 3 photos; ")
    assert "warning" not in answer.out
    assert "error" not in answer.out


@pytest.mark.parametrize("fields", [{"categories": None}, {"info": {}, "licenses": []}])
def test_what_passed_goes_on_passing(place: Place, fields: Content) -> None:
    place.change(lambda content: content.update(fields))
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


def test_large_ids(place: Place) -> None:
    def change(content: Content) -> None:
        for image in content["images"]:
            image["id"] += 2**40
        for person in content["annotations"]:
            person["image_id"] += 2**40

    place.change(change)
    place.results()
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


def test_evaluate_needs_no_photos(place: Place) -> None:
    shutil.rmtree(place.people.images)
    names = ", ".join(place.content["categories"][0]["keypoints"])
    (place.folder / "set.yaml").write_text(
        f"name: mine\nannotations: {place.people.annotations}\nimages: gone\nkeypoints: [{names}]\n"
        f"sigmas: [{', '.join(['0.05'] * KEYPOINTS)}]\n"
    )
    assert overall(place.evaluate(data="set.yaml"))["ap"] == pytest.approx(1)
    place.change(photos_without("width", "height"))
    answer = place.evaluate()
    assert overall(answer)["ap"] == pytest.approx(1)
    assert finding(place.check(), "3 photos have no width and height in the file, and cannot be looked at")


def test_a_file_of_another_tool_is_named(place: Place) -> None:
    place.write({"shapes": [], "imagePath": "a.jpg"})
    answer = place.evaluate()
    assert answer.code == 2
    assert "LabelMe" in answer.err
    assert "COCO keypoints" in answer.err
