"""Results as other frameworks write them, and results that do not go with the annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePosixPath

import pytest

from .conftest import Content, Place, finding, overall


def names(place: Place) -> dict[int, str]:
    return {image["id"]: image["file_name"] for image in place.content["images"]}


@pytest.mark.parametrize("form", ["name", "stem"])
def test_photos_named_by_their_files(place: Place, form: str) -> None:
    of = names(place)

    def change(one: Content) -> None:
        path = PurePosixPath(of[one["image_id"]])
        one["image_id"] = path.name if form == "name" else path.stem

    place.results(change)
    assert overall(place.evaluate())["ap"] == pytest.approx(1)
    assert finding(place.check("--predictions", "results.json"), "7 results are file names").startswith("note")


def test_photos_named_by_the_numbers_of_their_files(place: Place) -> None:
    of = names(place)
    place.results(lambda one: one.update(image_id=int(PurePosixPath(of[one["image_id"]]).stem)))
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


def test_a_name_of_no_photo_is_refused(place: Place) -> None:
    place.results(lambda one: one.update(image_id="elsewhere.jpg"))
    answer = place.evaluate()
    assert answer.code == 2
    assert "'elsewhere.jpg' is neither an id nor a file name" in answer.err


def test_ids_and_file_names_that_contradict_are_refused(place: Place) -> None:
    of = names(place)
    other = dict(zip(of, [*list(of.values())[1:], next(iter(of.values()))], strict=True))
    place.results(lambda one: one.update(file_name=other[one["image_id"]]))
    answer = place.evaluate()
    assert answer.code == 2
    assert "but file name" in answer.err


def test_shares_of_the_photo(place: Place) -> None:
    place.results(lambda one: one.update(keypoints=[x / 1000 for x in one["keypoints"]]))
    answer = place.evaluate()
    assert answer.code == 0
    assert "shares of the photo" in answer.err
    assert "0.0000: poses and annotations hardly belong together" in answer.err
    assert finding(place.check("--predictions", "results.json"), "shares of the photo").startswith("warning")


def test_clean_and_attacked_results_are_scored_on_the_same_photos(place: Place) -> None:
    clean = place.results(name="clean.json")
    found = json.loads(clean.read_text())
    photo = found[0]["image_id"]
    (place.folder / "half.json").write_text(json.dumps([one for one in found if one["image_id"] != photo]))
    answer = place.evaluate("--clean", "clean.json", results="half.json")
    assert answer.code == 0
    assert "of 3 of 3 and 2 of 3 photos with people" in answer.err
    assert "left out of all" in answer.err
    rows = [row for row in json.loads(answer.out) if row["keypoint"] == "all"]
    assert rows[0]["n"] == rows[1]["n"] < 7
    assert rows[1]["drop"] == 0
    answer = place.evaluate("--clean", "clean.json", "--count-missed", results="half.json")
    rows = [row for row in json.loads(answer.out) if row["keypoint"] == "all"]
    assert rows[0]["n"] == rows[1]["n"] == 7
    assert rows[1]["drop"] > 10
    assert "no result for 1 of 3 photos" in answer.err


def test_other_categories_are_left_out_and_said(place: Place) -> None:
    found = json.loads((place.folder / "results.json").read_text())
    (place.folder / "results.json").write_text(json.dumps([*found, {**found[0], "category_id": 18}]))
    answer = place.evaluate()
    assert overall(answer)["ap"] == pytest.approx(1)
    assert "1 result is of other categories than the persons: 18" in answer.err


def test_nested_keypoints_with_scores_beside_them(place: Place) -> None:
    def change(one: Content) -> None:
        points = one["keypoints"]
        one["keypoints"] = [points[i : i + 2] for i in range(0, 51, 3)]
        one["keypoint_scores"] = points[2::3]

    place.results(change)
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(score=float("nan")), "finite number"),
        (lambda one: one.update(keypoints=one["keypoints"][:34]), "34 keypoint numbers"),
    ],
)
def test_what_was_refused_still_is(place: Place, change: object, words: str) -> None:
    place.results(change)  # type: ignore[arg-type]
    answer = place.evaluate()
    assert answer.code == 2
    assert words in answer.err


def test_numeric_text_for_ids(place: Place) -> None:
    place.results(lambda one: one.update(image_id=str(one["image_id"])))
    assert overall(place.evaluate())["ap"] == pytest.approx(1)


def test_annotations_given_as_results(place: Place) -> None:
    answer = place.evaluate(results=place.people.annotations)
    assert answer.code == 2
    assert "it is a COCO annotation file" in answer.err


def each_point(change: Callable[[float, float], tuple[float, float]]) -> Callable[[Content], None]:
    """Every keypoint of a result moved."""

    def changed(one: Content) -> None:
        points = one["keypoints"]
        for at in range(0, 51, 3):
            points[at : at + 2] = change(points[at], points[at + 1])

    return changed


def mirrored(one: Content) -> None:
    """Left and right in each other's place."""
    points = [one["keypoints"][at : at + 3] for at in range(0, 51, 3)]
    swapped = [points[0], *(points[at + 1 if at % 2 else at - 1] for at in range(1, 17))]
    one["keypoints"] = [number for point in swapped for number in point]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (each_point(lambda x, y: (y, x)), "with x and y in each other's place"),
        (mirrored, "with left and right in each other's place"),
        (each_point(lambda x, y: (x / 3, y / 3)), "times as large, as of photos of another size"),
        (lambda one: one.update(keypoints=[5, 5, 1] * 17), "7 results have all keypoints in one spot"),
        (lambda one: one.update(score=-2), "the scores of 7 results are negative"),
    ],
)
def test_results_of_other_conventions_are_doubted(place: Place, change: Callable[[Content], None], words: str) -> None:
    place.results(change)
    assert finding(place.check("--predictions", "results.json"), words).startswith("warning")
    assert words in place.evaluate().err


def test_results_that_are_there_twice_or_empty(place: Place) -> None:
    found = json.loads((place.folder / "results.json").read_text())
    (place.folder / "results.json").write_text(json.dumps([*found, found[0], {**found[1], "keypoints": []}]))
    answer = place.check("--predictions", "results.json")
    assert finding(answer, "1 result is there twice").startswith("warning")
    assert finding(answer, "1 result has no keypoints", "left out").startswith("warning")


@pytest.mark.parametrize("form", ["/data/photos/{}", "C:\\photos\\{}", "{}.PNG"])
def test_photos_named_as_on_another_system(place: Place, form: str) -> None:
    of = names(place)

    def change(one: Content) -> None:
        name = PurePosixPath(of[one["image_id"]]).name
        one["image_id"] = form.format(name.removesuffix(".jpg") if form.endswith("PNG") else name)

    place.results(change)
    assert overall(place.evaluate())["ap"] == pytest.approx(1)
