"""Data sets that a YAML file describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from occbench.attacks import Attack, make_suite
from occbench.data.custom import read_custom, read_description
from occbench.system.errors import OccbenchError

from .set_builders import dump, photo

DESCRIPTION: dict[str, Any] = {
    "name": "birds",
    "annotations": "annotations/val.json",
    "images": "images",
    "keypoints": ["beak", "left_eye", "right_eye", "tail"],
    "sigmas": [0.03, 0.025, 0.025, 0.08],
    "flip_pairs": [["left_eye", "right_eye"]],
    "parts": {"head": ["beak", "left_eye", "right_eye"]},
    "skeleton": [["beak", "left_eye"], ["beak", "right_eye"], ["beak", "tail"]],
}


def write(folder: Path, change: dict[str, Any] | None = None) -> Path:
    content = {k: v for k, v in {**DESCRIPTION, **(change or {})}.items() if v is not None}
    path = folder / "birds.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def annotations(folder: Path) -> Path:
    photo(folder / "images" / "1.jpg")
    points = [[30, 40, 2], [35, 38, 1], [25, 38, 2], [60, 90, 2]]
    person = {"id": 4, "image_id": 1, "category_id": 1, "bbox": [20, 30, 60, 80]}
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 120, "height": 160}],
        "annotations": [person | {"keypoints": [n for point in points for n in point]}],
        "categories": [{"id": 1, "name": "bird", "keypoints": DESCRIPTION["keypoints"]}],
    }
    return dump(folder / "annotations" / "val.json", content)


def test_a_described_set_is_read_and_can_be_attacked(tmp_path: Path) -> None:
    annotations(tmp_path)
    dataset = read_custom(write(tmp_path))
    assert (dataset.name, dataset.metric, len(dataset.persons)) == ("birds", "oks", 1)
    assert dataset.sigmas.tolist() == [0.03, 0.025, 0.025, 0.08]
    assert dataset.skeleton.flip_indices == (0, 2, 1, 3)
    assert dataset.skeleton.edges[2] == ("beak", "tail")
    assert dataset.persons[0].visibility.tolist() == [2, 1, 2, 2]
    suite = make_suite(dataset.skeleton, ["part-blackout", "keypoint-blur"])
    assert Attack("part", "blackout", "head") in suite
    assert len(suite) == 5


def test_sigmas_by_name_and_the_images_of_the_command_line(tmp_path: Path) -> None:
    annotations(tmp_path)
    named = dict(zip(DESCRIPTION["keypoints"], (0.03, 0.025, 0.025, 1), strict=True))
    path = write(tmp_path, {"sigmas": named, "images": None, "parts": None, "flip_pairs": None, "skeleton": None})
    dataset = read_custom(path, tmp_path / "images")
    np.testing.assert_array_equal(dataset.sigmas, [0.03, 0.025, 0.025, 1])
    assert dataset.images == tmp_path / "images"
    assert read_custom(path).images == tmp_path / "annotations"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": None}, r"keypoints: Field required"),
        ({"sigmas": None}, r"sigmas: Field required"),
        ({"annotations": None}, r"annotations: Field required"),
        ({"keypoint": ["beak"]}, r"keypoint: Extra inputs are not permitted"),
        ({"keypoints": "beak"}, r"keypoints: Input should be a valid list"),
        ({"sigmas": [0.1, 0.1]}, r"has 2 sigmas for its 4 keypoints"),
        ({"sigmas": [0.1, -0.1, 0.1, 0.1]}, r"sigmas.*greater than 0"),
        ({"sigmas": ["a", 0.1, 0.1, 0.1]}, r"sigmas"),
        ({"sigmas": {"beak": 0.1}}, r"sigmas: 'left_eye' has none \(and 2 more\)"),
        ({"sigmas": {"beek": 0.1}}, r"sigmas: unknown keypoint 'beek'; did you mean beak"),
        (
            {"flip_pairs": [["left_eye", "rigth_eye"]]},
            r"flip_pairs: unknown keypoint 'rigth_eye'; did you mean right_eye",
        ),
        ({"flip_pairs": [["left_eye"]]}, r"flip_pairs\[0\]"),
        ({"flip_pairs": [["left_eye", "right_eye"], ["beak", "left_eye"]]}, r"'left_eye' .* occurs twice"),
        ({"parts": {"head": ["beak", "ear"]}}, r"parts: unknown keypoint 'ear'"),
        ({"parts": {"tail": ["beak", "tail"]}}, r"part 'tail' .* has the name of a keypoint"),
        ({"parts": {"head": ["beak"]}}, r"parts\.head"),
        ({"skeleton": [["beak", "wing"]]}, r"skeleton: unknown keypoint 'wing'"),
        ({"keypoints": ["beak", "beak", "right_eye", "tail", "left_eye"]}, r"'beak' .* occurs twice|5 keypoints"),
        ({"name": "../birds"}, r"name: String should match pattern"),
        ({"annotations": "none.json"}, r"none.json' does not exist"),
    ],
)
def test_a_bad_description_is_one_clear_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    annotations(tmp_path)
    with pytest.raises(OccbenchError, match=message) as caught:
        read_custom(write(tmp_path, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"keypoints: [a, b", "is not valid YAML"),
        (b"- a\n- b\n", "must be a mapping with name, annotations, keypoints and sigmas"),
        (b"", "must be a mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"!!python/object/apply:os.system ['true']", "is not valid YAML"),
        (b"a: " + b"x" * 2**21, "more than the 1,048,576 bytes"),
    ],
)
def test_what_is_no_description_is_one_clear_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "set.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OccbenchError, match=message) as caught:
        read_description(path)
    assert "\n" not in str(caught.value)


def test_annotations_of_other_keypoints_are_refused(tmp_path: Path) -> None:
    annotations(tmp_path)
    path = write(tmp_path, {"keypoints": ["beak", "left_eye", "right_eye", "wing"], "skeleton": None})
    with pytest.raises(OccbenchError, match=r"its keypoints are not 'birds''s 4 \(it has 4: 'beak'"):
        read_custom(path)
    path = write(tmp_path, {"keypoints": ["beak", "left_eye", "right_eye"], "skeleton": None, "sigmas": [0.1] * 3})
    with pytest.raises(OccbenchError, match="its keypoints are not 'birds''s 3"):
        read_custom(path)
