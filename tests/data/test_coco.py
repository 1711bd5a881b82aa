"""The annotation reader: what it keeps, what it leaves out, what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from occbench.data import coco, jsonfile
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.system.errors import OccbenchError

from .builders import Content, annotation, keypoints, people, write

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def read(folder: Path, content: object) -> Dataset:
    return read_coco(write(folder, content), folder)


def test_persons_go_by_photo_and_the_truth_keeps_everybody(tmp_path: Path) -> None:
    dataset = read(tmp_path, people())
    assert list(dataset.photos) == [3, 1, 2]
    assert [(p.photo.id, p.id) for p in dataset.persons] == [(3, 11), (3, 13), (1, 12)]
    assert dataset.truth.ids.tolist() == [11, 12, 13, 14, 15]
    assert dataset.truth.crowd.tolist() == [False, False, False, True, False]
    assert dataset.truth.image_ids.tolist() == [1, 2, 3]
    assert dataset.name == "people"
    assert (dataset.box_source, dataset.synthetic, dataset.skipped) == ("gt", False, ())
    assert np.array_equal(dataset.persons[0].box, [10, 10, 40, 60])


def test_a_box_is_clipped_to_its_photo(tmp_path: Path) -> None:
    content = people()
    content["annotations"][0]["bbox"] = [-20, 90, 500, 500]
    assert np.array_equal(read(tmp_path, content).persons[0].box, [0, 90, 79, 99])


def test_what_coco_does_not_demand_is_filled_in(tmp_path: Path) -> None:
    content = people()
    for record in content["annotations"]:
        for key in ("num_keypoints", "area", "iscrowd", "category_id"):
            record.pop(key)
    del content["categories"]
    dataset = read(tmp_path, content)
    assert dataset.truth.num_keypoints.tolist() == [17, 9, 5, 17, 0]
    assert dataset.truth.area[0] == pytest.approx(0.53 * 30 * 50)
    assert not dataset.truth.crowd.any()


def test_other_categories_are_left_out(tmp_path: Path) -> None:
    content = people()
    content["annotations"][0]["category_id"] = 18
    dataset = read(tmp_path, content)
    assert dataset.truth.ids.tolist() == [12, 13, 14, 15]
    assert [p.id for p in dataset.persons] == [13, 12]


def test_a_keypoint_on_the_border_is_inside(tmp_path: Path) -> None:
    content = people()
    content["annotations"][0]["keypoints"][:3] = [80, 100, 1]
    assert read(tmp_path, content).persons[0].keypoints[0].tolist() == [80, 100]


def test_an_unlabelled_keypoint_may_lie_anywhere(tmp_path: Path) -> None:
    content = people()
    content["annotations"][1]["keypoints"][-3:] = [-500, 9000, 0]
    assert not read(tmp_path, content).persons[2].labelled[-1]


def put(change: Callable[[Content], object]) -> Callable[[], Content]:
    def spoilt() -> Content:
        content = people()
        change(content)
        return content

    return spoilt


def first(**fields: object) -> Callable[[], Content]:
    return put(lambda content: content["annotations"][0].update(fields))


def image(**fields: object) -> Callable[[], Content]:
    return put(lambda content: content["images"][0].update(fields))


def moved_keypoint(*point: float) -> list[float]:
    return [*point, *keypoints(12, 12)[3:]]


BAD = {
    "a list": (lambda: [1, 2], "no COCO file"),
    "no images": (put(lambda c: c.pop("images")), "needs the lists 'images' and 'annotations'"),
    "images empty": (put(lambda c: c["images"].clear()), "images: List should have at least 1 item"),
    "annotations no list": (lambda: {"images": [], "annotations": {}}, "'annotations' must be a list"),
    "annotation no object": (put(lambda c: c["annotations"].append(5)), r"annotations\[5\]"),
    "no keypoints at all": (put(lambda c: [a.pop("keypoints") for a in c["annotations"]]), "nor has any other"),
    "nan box": (first(bbox=[1, float("nan"), 3, 4]), r"annotations\[0\].bbox\[1\].* finite"),
    "infinite box": (first(bbox=[1, 2, float("inf"), 4]), r"annotations\[0\].bbox\[2\].* finite"),
    "absurd box": (first(bbox=[1, 2, 1e300, 4]), r"annotations\[0\].bbox\[2\]"),
    "short box": (first(bbox=[1, 2, 3]), r"annotations\[0\].bbox"),
    "textual box": (first(bbox=["a", 2, 3, 4]), r"annotations\[0\].bbox\[0\]"),
    "nan keypoint": (first(keypoints=moved_keypoint(float("nan"), 10, 2)), r"keypoints\[0\].* finite"),
    "visibility 7": (first(keypoints=moved_keypoint(12, 12, 7)), "annotation 11 has a visibility other than 0, 1 or 2"),
    "scores": (first(keypoints=moved_keypoint(12, 12, 0.9)), "a visibility other than 0, 1 or 2, but shares"),
    "a labelled hole": (first(keypoints=[None, None, 2, *keypoints(12, 12)[3:]]), "annotation 11: .*is null or NaN"),
    "keypoints in another order": (
        put(lambda c: c["categories"][0]["keypoints"].reverse()),
        "COCO's 17 in another order \\(number 1 is 'right_ankle', not 'nose'\\)",
    ),
    "num_keypoints 0 for all": (
        put(lambda c: [a.update(num_keypoints=0) for a in c["annotations"]]),
        "num_keypoints is 0 for all 3 persons, though",
    ),
    "absurd visibility": (first(keypoints=moved_keypoint(12, 12, 1e5)), "annotation 11 has a visibility"),
    "a keypoint beyond any photo": (first(keypoints=moved_keypoint(1e300, 12, 0)), "less than or equal to 1000000"),
    "16 keypoints": (first(keypoints=keypoints(12, 12)[3:]), "annotation 11 has 48 keypoint numbers.*3 x 17"),
    "same annotation id": (first(id=12), "annotation id 12 occurs twice"),
    "same image id": (image(id=1), "image id 1 occurs twice"),
    "unlisted image": (first(image_id=99), "annotation 11 is of image 99"),
    "huge annotation id": (first(id=10**30), r"annotations\[0\].id"),
    "huge image id": (image(id=10**30), r"images\[0\].id"),
    "huge count": (first(num_keypoints=10**30), r"annotations\[0\].num_keypoints"),
    "negative area": (first(area=-1), r"annotations\[0\].area"),
    "huge photo": (image(width=10**30), r"images\[0\].width"),
    "photo of negative width": (image(width=-1), r"images\[0\].width"),
    "climbing name": (image(file_name="../../etc/passwd"), "'../../etc/passwd' leaves the image folder"),
    "hidden climb": (image(file_name="a/../../b.jpg"), "leaves the image folder"),
    "climb by backslash": (image(file_name="..\\b.jpg"), "leaves the image folder"),
    "name with a null": (image(file_name="a\0.jpg"), "file name"),
    "nobody labelled": (
        lambda: {**people(), "annotations": [annotation(1, 1, [1, 1, 9, 9], visible=0)]},
        "no person with labelled keypoints",
    ),
    "nobody at all": (lambda: {**people(), "annotations": []}, "no person with labelled keypoints"),
    "mpii": (
        lambda: {**people(), "categories": [{"id": 1, "keypoints": ["r_ankle", "r_knee"]}]},
        r"not COCO's 17 \(it has 2: 'r_ankle', 'r_knee'",
    ),
    "names no list": (lambda: {**people(), "categories": [{"id": 1, "keypoints": 5}]}, "not COCO's 17"),
    "names no text": (lambda: {**people(), "categories": [{"id": 1, "keypoints": [1, 2]}]}, "not COCO's 17"),
}


def test_an_absolute_name_is_one_below_the_image_folder(tmp_path: Path) -> None:
    photos = read(tmp_path, image(file_name="/etc/passwd")()).photos
    assert photos[next(iter(photos))].path == tmp_path / "etc/passwd"


@pytest.mark.parametrize(("spoilt", "message"), BAD.values(), ids=BAD)
def test_a_contradiction_is_refused(tmp_path: Path, spoilt: Callable[[], object], message: str) -> None:
    path = write(tmp_path, spoilt())
    with pytest.raises(OccbenchError, match=message) as caught:
        read_coco(path, tmp_path)
    assert str(caught.value).startswith(f"annotation file {str(path)!r}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is not valid JSON", id="empty"),
        pytest.param(b'{"images": [', "is not valid JSON", id="broken"),
        pytest.param(b"\xff\xd8\xff\xe0", "cannot be read", id="a photo"),
        pytest.param(b"[" * 200_000, "is not valid JSON", id="deep nesting"),
        pytest.param(b'{"images":' * 100_000, "is not valid JSON", id="deep objects"),
        pytest.param(b'{"images": 1' + b"0" * 5000 + b"}", "is not valid JSON", id="a number of 5,000 digits"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "people.json"
    path.write_bytes(data)
    with pytest.raises(OccbenchError, match=message):
        read_coco(path, tmp_path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="does not exist"):
        read_coco(tmp_path / "people.json", tmp_path)
    with pytest.raises(OccbenchError, match="cannot be read"):
        read_coco(tmp_path, tmp_path)


def test_more_faults_are_counted(tmp_path: Path) -> None:
    content = people()
    for record in content["annotations"]:
        record["bbox"] = [float("nan"), 1, 1, 1]
    with pytest.raises(OccbenchError, match="and 4 more"):
        read(tmp_path, content)


def test_what_does_not_fit_into_memory_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    path = write(tmp_path, people())
    with monkeypatch.context() as patch:
        patch.setattr(coco, "mend", full)
        with pytest.raises(OccbenchError, match="its 5 annotations do not fit into memory"):
            read_coco(path, tmp_path)
    monkeypatch.setattr(jsonfile.json, "loads", full)
    with pytest.raises(OccbenchError, match=r"people.json' does not fit into memory"):
        read_coco(path, tmp_path)


def test_a_pipe_is_read_to_the_bound_and_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = tmp_path / "pipe", json.dumps(people()).encode()
    os.mkfifo(path)

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(data)

    for bound in (len(data), len(data) - 1):
        monkeypatch.setattr(jsonfile, "MAX_JSON", bound)
        thread = threading.Thread(target=feed)
        thread.start()
        try:
            if bound == len(data):
                assert len(read_coco(path, tmp_path).persons) == 3
            else:
                with pytest.raises(OccbenchError, match=f"{bound + 1:,} bytes or more, but at most {bound:,} are read"):
                    read_coco(path, tmp_path)
        finally:
            thread.join()
