"""Photos that are missing, broken or of another size, and data sets without them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from occbench.data.coco import read_coco
from occbench.data.persons import Dataset, Photo
from occbench.data.photos import check_photos, decode, fault
from occbench.system.errors import OccbenchError

from .builders import HEIGHT, WIDTH, people, write, write_photos

NOISE = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def encoded(kind: str, turned: bool = False, orientation: int = 0) -> bytes:
    """NOISE in a format, turned by a quarter, with an EXIF orientation."""
    picture = Image.fromarray(NOISE.transpose(1, 0, 2) if turned else NOISE)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def on_disk(folder: Path, data: bytes, name: str = "a.jpg") -> Photo:
    path = folder / name
    path.write_bytes(data)
    return Photo(1, name, path, WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_whole_photo_has_no_fault(tmp_path: Path, kind: str) -> None:
    photo = on_disk(tmp_path, encoded(kind))
    assert fault(photo) is None
    assert decode(photo).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_off_photo_is_found(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(kind)
    wrong = fault(on_disk(tmp_path, data[: int(share * len(data))]))
    assert wrong in ("is truncated", "is not an image")
    if kind in ("JPEG", "PNG"):
        assert wrong == "is truncated"


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    assert fault(on_disk(tmp_path, encoded("JPEG") + b"\0" * 100)) is None


def test_a_photo_turned_by_exif_is_as_it_is_decoded(tmp_path: Path) -> None:
    photo = on_disk(tmp_path, encoded("JPEG", turned=True, orientation=6))
    assert fault(photo) is None
    assert decode(photo).shape == (HEIGHT, WIDTH, 3)


def test_a_photo_that_lies_on_its_side_without_exif_is_of_another_size(tmp_path: Path) -> None:
    assert fault(on_disk(tmp_path, encoded("JPEG", turned=True))) == "is 100x80, but annotated as 80x100"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"<html>404</html>", "is not an image", id="web page"),
        pytest.param(b"\xff\xd8", "is not an image", id="two bytes"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "is not an image", id="PNG signature alone"),
    ],
)
def test_what_is_no_photo(tmp_path: Path, data: bytes, expected: str) -> None:
    assert fault(on_disk(tmp_path, data)) == expected


def test_a_missing_photo_a_folder_and_another_size(tmp_path: Path) -> None:
    assert fault(Photo(1, "a.jpg", tmp_path / "a.jpg", WIDTH, HEIGHT)) == "is missing"
    assert fault(Photo(1, "", tmp_path, WIDTH, HEIGHT)) == "cannot be read (Is a directory)"
    on_disk(tmp_path, encoded("PNG"))
    assert fault(Photo(1, "a.jpg", tmp_path / "a.jpg", 81, HEIGHT)) == "is 80x100, but annotated as 81x100"


def test_decoding_what_is_no_photo_names_it(tmp_path: Path) -> None:
    for data in (b"", b"text"):
        with pytest.raises(OccbenchError, match=r"a\.jpg"):
            decode(on_disk(tmp_path, data))
    with pytest.raises(OccbenchError, match=r"gone\.jpg' cannot be read: No such file"):
        decode(Photo(1, "gone.jpg", tmp_path / "gone.jpg", WIDTH, HEIGHT))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Photos 3 and 1 have persons with labels, photo 2 has not."""
    content = people()
    return read_coco(write(tmp_path, content), write_photos(tmp_path / "images", content))


def test_photos_without_a_box_are_not_asked_for(dataset: Dataset) -> None:
    (dataset.images / "2.jpg").unlink()
    assert check_photos(dataset) is dataset


def test_a_bad_photo_stops_by_name(dataset: Dataset) -> None:
    (dataset.images / "1.jpg").write_bytes(b"text")
    with pytest.raises(OccbenchError, match=r"1\.jpg' is not an image: mend it, or .*--skip-unreadable"):
        check_photos(dataset)


def test_several_bad_photos_are_counted(dataset: Dataset) -> None:
    for name in ("1.jpg", "3.jpg"):
        (dataset.images / name).unlink()
    with pytest.raises(OccbenchError, match=r"3\.jpg' is missing; so are 1 more of 2 photos: check --images"):
        check_photos(dataset)
    with pytest.raises(OccbenchError, match="no photo with a person is readable"):
        check_photos(dataset, skip_unreadable=True)


def test_a_skipped_photo_is_neither_inferred_nor_scored(dataset: Dataset) -> None:
    (dataset.images / "3.jpg").write_bytes(b"")
    left = check_photos(dataset, skip_unreadable=True)
    assert left.skipped == ("3.jpg",)
    assert [p.id for p in left.persons] == [12]
    assert left.truth.ids.tolist() == [12, 14, 15]
    assert left.truth.image_ids.tolist() == [1, 2]
    assert list(left.photos) == [1, 2]
    assert dataset.skipped == ()


def test_without_drops_every_array_alike(dataset: Dataset) -> None:
    left = dataset.without({3}, ("3.jpg",)).without({2}, ("2.jpg",))
    assert left.skipped == ("3.jpg", "2.jpg")
    truth = left.truth
    assert {len(getattr(truth, name)) for name in ("image", "keypoints", "visibility", "bbox", "area", "crowd")} == {1}
    assert truth.num_keypoints.tolist() == [9]
    assert np.array_equal(truth.keypoints[0], dataset.truth.keypoints[1])
    same = dataset.without(set())
    assert same.truth.image_ids.dtype == dataset.truth.image_ids.dtype
    assert same.persons == dataset.persons


def test_first_counts_photos_with_people(dataset: Dataset) -> None:
    assert list(dataset.first(1).photos) == [3]
    assert [p.id for p in dataset.first(1).persons] == [11, 13]
    everyone = dataset.first(50)
    assert list(everyone.photos) == [3, 1]
    assert everyone.skipped == ()
