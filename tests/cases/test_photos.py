"""Photos as cameras and other systems leave them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from occbench.data.nobody import on_nobody
from occbench.data.photos import check_photos
from occbench.data.sources import open_dataset

from .conftest import Content, Place, finding, overall


def turned(path: Path, orientation: int) -> None:
    """Write an orientation into a photo's EXIF; its pixels stay."""
    with Image.open(path) as picture:
        picture.load()
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(path, quality=95, exif=exif)


@pytest.mark.parametrize("orientation", [6, 8])
def test_photos_annotated_unturned_are_refused(place: Place, orientation: int) -> None:
    for path in sorted(place.people.images.iterdir()):
        turned(path, orientation)
    answer = place.check()
    assert answer.code == 2
    assert finding(answer, "3 of 3 photos", f"EXIF orientation {orientation}", "annotated unturned").startswith("error")
    answer = place.run("attack", "--model", "hrnet-mini", "--kind", "all", "--data", place.people.annotations)
    assert answer.code == 2
    assert "take that tag out" in answer.err


def upside_down(content: Content) -> None:
    """Everybody annotated as they stand in a photo that was taken upside down."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for person in content["annotations"]:
        width, height = sizes[person["image_id"]]
        x, y, w, h = person["bbox"]
        person["bbox"] = [width - x - w, height - y - h, w, h]
        points = person["keypoints"]
        for at in range(0, 51, 3):
            points[at : at + 2] = width - points[at], height - points[at + 1]


def test_photos_annotated_upside_down_are_refused(place: Place) -> None:
    for path in sorted(place.people.images.iterdir()):
        turned(path, 3)
    answer = place.check()
    assert answer.code == 0
    assert finding(answer, "3 photos are turned or mirrored by EXIF").startswith("warning")
    place.change(upside_down)
    answer = place.check()
    assert answer.code == 2
    assert finding(answer, "3 of 3 photos", "EXIF orientation 3", "annotated unturned").startswith("error")


def test_a_photo_that_lies_as_its_pixels_do_needs_no_word(place: Place) -> None:
    for path in sorted(place.people.images.iterdir()):
        turned(path, 1)
    assert place.check().code == 0


def test_a_motion_photo_is_whole(place: Place) -> None:
    path = place.people.images / "000000.jpg"
    path.write_bytes(path.read_bytes() + b"ftypmp42" + bytes(20_000))
    answer = place.check()
    assert answer.code == 0
    assert finding(answer, "1 photo has something behind").startswith("note")


def renamed(place: Place, annotated: str, on_disk: str) -> None:
    """The first photo under other names in the annotations and on the disk."""

    def change(content: Content) -> None:
        content["images"][0]["file_name"] = annotated

    place.change(change)
    (place.people.images / on_disk).parent.mkdir(parents=True, exist_ok=True)
    (place.people.images / "000000.jpg").rename(place.people.images / on_disk)


@pytest.mark.parametrize(
    ("annotated", "on_disk"),
    [
        ("train\\a.jpg", "train/a.jpg"),
        (".\\a.jpg", "a.jpg"),
        ("A.JPG", "a.jpg"),
        (unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.jpg")),
        (unicodedata.normalize("NFD", "é.jpg"), unicodedata.normalize("NFC", "é.jpg")),
        ("a%20b.jpg", "a b.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("/home/me/photos/a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("a.png", "a.jpeg"),
    ],
)
def test_one_name_written_on_two_systems(place: Place, annotated: str, on_disk: str) -> None:
    renamed(place, annotated, on_disk)
    answer = place.check()
    assert answer.code == 0, answer
    assert "1 photo" in answer.out or "{1 photos" in answer.out or "of 1 photo" in answer.out


def test_two_photos_are_never_taken_for_one(place: Place) -> None:
    renamed(place, "other/000001.jpg", "elsewhere.jpg")
    answer = place.check()
    assert answer.code == 2
    assert finding(answer, "1 of 3 photos", "is missing")


def test_a_photo_of_another_size_is_refused(place: Place) -> None:
    path = place.people.images / "000000.jpg"
    with Image.open(path) as picture:
        picture.resize((64, 48)).save(path)
    assert finding(place.check(), "is 64x48, but annotated as").startswith("error")


def test_turned_photos_without_sizes_are_measured_as_they_are_decoded(place: Place) -> None:
    def change(content: Content) -> None:
        for image in content["images"]:
            del image["width"], image["height"]

    for path in sorted(place.people.images.iterdir()):
        turned(path, 6)
    place.change(change)
    answer = place.check()
    assert "read from the photos" in answer.out
    assert answer.code == 2
    assert finding(answer, "3 of 3 photos", "annotated unturned").startswith("error")
    assert overall(place.evaluate("--images", place.people.images))["n"] == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"GIF89a", "is a GIF"), (b"\0\0\0\x18ftypheic", "is HEIC"), (b"version https://git-lfs", "Git LFS")],
)
def test_what_is_no_photo_is_named(place: Place, content: bytes, words: str) -> None:
    (place.people.images / "000000.jpg").write_bytes(content)
    assert finding(place.check(), "1 of 3 photos", words).startswith("error")


def test_a_photo_under_two_ids(place: Place) -> None:
    place.change(lambda content: content["images"].append({**content["images"][0], "id": 77}))
    assert finding(place.check(), "2 photos are listed under several ids").startswith("warning")


def test_the_checks_read_no_photo_once_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of known size are not opened by a reader, and once by the look at them."""
    opened: Counter[str] = Counter()
    read = Path.read_bytes

    def counted(path: Path) -> bytes:
        opened[path.suffix] += 1
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    monkeypatch.setattr(Image, "open", lambda *a, image=Image.open, **k: opened.update(pictures=1) or image(*a, **k))
    dataset = open_dataset(str(place.people.annotations))
    on_nobody(dataset)
    assert not opened[".jpg"] + opened["pictures"]
    check_photos(dataset)
    assert opened[".jpg"] == opened["pictures"] == len(dataset.photos)
