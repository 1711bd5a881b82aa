"""MPII: MMPose's JSON person by person against its MpiiDataset, and the original file against the JSON."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from occbench.attacks import MPII
from occbench.data.mpii import read_mpii
from occbench.data.mpii_mat import read_mpii_mat
from occbench.system.errors import OccbenchError

from ..conftest import Real
from .mmpose_sets import assert_same, theirs
from .set_builders import dump, head_boxes, mpii_json, mpii_mat, photo, struct, visible_flag


@pytest.fixture
def people(tmp_path: Path) -> list[dict[str, Any]]:
    content = mpii_json(np.random.default_rng(0))
    for i, name in enumerate(dict.fromkeys(person["image"] for person in content)):
        photo(tmp_path / "images" / name, seed=i)
    return content


@pytest.mark.real
def test_real_persons_are_mmposes(real: Real) -> None:
    annotations, images = real.root / "mpii" / "test_mpii.json", real.root / "mpii"
    dataset = read_mpii(annotations, images)
    expected = theirs("MpiiDataset", annotations, images)
    assert len(expected) == 5
    assert_same(dataset.persons, expected, offset=1)
    np.testing.assert_array_equal(dataset.truth.area.astype(np.float32), [info["area"][0] for info in expected])
    assert dataset.skeleton is MPII
    assert dataset.metric == "pckh"
    assert all(person.photo.width >= 854 for person in dataset.persons)


@pytest.mark.real
def test_real_crops_are_mmposes(real: Real) -> None:
    """Byte by byte and in the order of the file, through the test pipeline of MMPose's own MPII config."""
    from occbench.estimators.config import read_config
    from occbench.estimators.crops import CropPipeline
    from occbench.system.compat import setup_mmpose
    from occbench.weights.zoo import find_model

    setup_mmpose()
    from mmpose.registry import DATASETS

    annotations, images = real.root / "mpii" / "test_mpii.json", real.root / "mpii"
    config = read_config(find_model("mpii-hrnet").config_path)
    pipeline = CropPipeline(config)
    pipeline.require(MPII)
    dataset = config.test_dataloader.dataset
    dataset.update(ann_file=str(annotations), headbox_file=None, data_root=None, data_prefix={"img": f"{images}/"})
    samples = DATASETS.build(dataset)
    ours = {crop.person.id: crop for crop in pipeline.cut_all(read_mpii(annotations, images).persons)}
    assert len(ours) == len(samples) == 5
    for i in range(5):
        sample = samples[i]
        np.testing.assert_array_equal(ours[i].image.transpose(2, 0, 1), sample["inputs"].numpy())
        assert list(ours[i].sample.flip_indices) == list(sample["data_samples"].flip_indices)
        np.testing.assert_array_equal(ours[i].center, sample["data_samples"].input_center)
        np.testing.assert_array_equal(ours[i].scale, sample["data_samples"].input_scale)


def test_boxes_heads_and_truth_are_mmposes(tmp_path: Path, people: list[dict[str, Any]]) -> None:
    annotations = dump(tmp_path / "mpii_val.json", people)
    boxes = head_boxes(np.random.default_rng(1), len(people))
    savemat(tmp_path / "heads.mat", {"headboxes_src": boxes})
    dataset = read_mpii(annotations, tmp_path / "images", tmp_path / "heads.mat")
    expected = theirs("MpiiDataset", annotations, tmp_path / "images", headbox_file=str(tmp_path / "heads.mat"))
    assert_same(dataset.persons, expected, offset=1)
    assert dataset.lengths is not None
    np.testing.assert_allclose(dataset.lengths, [info["head_size"][0, 0] for info in expected], rtol=1e-12)
    np.testing.assert_array_equal(dataset.truth.keypoints[0] + 1, people[0]["joints"])
    assert dataset.truth.visibility[1].tolist() == [2] * 15 + [0]
    assert (dataset.persons[0].photo.width, dataset.persons[0].photo.height) == (120, 160)
    first = dataset.first(1)
    assert len(first.lengths) == len(first.truth) == len(first.persons) == 2  # type: ignore[arg-type]


def test_the_original_file_says_the_same_and_which_joints_are_occluded(
    tmp_path: Path, people: list[dict[str, Any]]
) -> None:
    boxes = head_boxes(np.random.default_rng(1), len(people))
    original = read_mpii_mat(mpii_mat(tmp_path / "mpii.mat", people, boxes), tmp_path / "images")
    savemat(tmp_path / "heads.mat", {"headboxes_src": boxes})
    converted = read_mpii(dump(tmp_path / "mpii.json", people), tmp_path / "images", tmp_path / "heads.mat")
    assert len(original.persons) == len(converted.persons) == len(people)
    for a, b in zip(original.persons, converted.persons, strict=True):
        assert (a.id, a.photo) == (b.id, b.photo)
        for name in ("box", "center", "scale"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(a.labelled, b.labelled)
        np.testing.assert_array_equal(a.keypoints[a.labelled], b.keypoints[b.labelled])
    np.testing.assert_allclose(original.lengths, converted.lengths, rtol=1e-12)
    occluded = [joint not in (8, 9) and str(visible_flag(joint)) == "0" for joint in range(16)]
    assert original.truth.visibility[0].tolist() == [1 if hidden else 2 for hidden in occluded]
    assert sum(occluded) >= 3


BAD: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "COCO's format": (lambda p: {"images": [], "annotations": []}, "not MMPose's JSON of MPII, which is a list"),
    "no joints": (lambda p: [{k: v for k, v in p[0].items() if k != "joints"}], "person 0 has no joints; MPII's test"),
    "a missing field": (lambda p: [p[0], {k: v for k, v in p[1].items() if k != "scale"}], r"\[1\]\.scale"),
    "14 joints": (lambda p: [p[0], p[1] | {"joints": p[1]["joints"][:14]}], "person 1 has 14 joints .* MPII has 16"),
    "15 flags": (lambda p: [p[0] | {"joints_vis": [1] * 15}], "person 0 has 16 joints and 15 flags"),
    "a flag of 2": (lambda p: [p[0] | {"joints_vis": [2] * 16}], "joints_vis"),
    "no scale": (lambda p: [p[0] | {"scale": 0}], r"\[0\]\.scale"),
    "a joint in 3D": (lambda p: [p[0] | {"joints": [[1, 2, 3]] * 16}], r"joints\[0\]"),
    "a named photo": (lambda p: [p[0] | {"image": "cat.jpg"}], "'cat.jpg' is none of MPII's"),
    "a photo elsewhere": (lambda p: [p[0] | {"image": "1./../../x.jpg"}], "is no file name of a photo"),
    "two of one number": (lambda p: [p[0], p[1] | {"image": "1.jpg"}], "have the same number"),
    "nobody": (lambda p: [], "nothing to measure"),
}


@pytest.mark.parametrize(("spoilt", "message"), BAD.values(), ids=BAD)
def test_bad_json_is_one_clear_line(
    tmp_path: Path, people: list[dict[str, Any]], spoilt: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    path = dump(tmp_path / "bad.json", spoilt(copy.deepcopy(people)))
    with pytest.raises(OccbenchError, match=message) as caught:
        read_mpii(path, tmp_path / "images")
    assert "\n" not in str(caught.value)
    assert "bad.json" in str(caught.value)


def test_head_boxes_of_another_set_are_refused(tmp_path: Path, people: list[dict[str, Any]]) -> None:
    path, heads = dump(tmp_path / "mpii_val.json", people), tmp_path / "heads.mat"
    for content, message in (
        ({"headboxes_src": np.zeros((2, 2, 7))}, "are of 7 persons, but annotation file .* has 3"),
        ({"headboxes_src": np.zeros((3, 2, 3))}, r"must have shape \(2, 2, persons\)"),
        ({"boxes": np.zeros((2, 2, 3))}, "no variable 'headboxes_src' .it has boxes"),
    ):
        savemat(heads, content)
        with pytest.raises(OccbenchError, match=message):
            read_mpii(path, tmp_path / "images", heads)


def test_a_missing_image_folder_is_named(tmp_path: Path, people: list[dict[str, Any]]) -> None:
    with pytest.raises(OccbenchError, match=r"image folder .*elsewhere' does not exist"):
        read_mpii(dump(tmp_path / "mpii_val.json", people), tmp_path / "elsewhere")


def broken_release(**change: object) -> dict[str, np.ndarray]:
    joints = struct([{"x": 1.0, "y": 2.0, "id": 16, "is_visible": 1}])
    person = {
        "scale": 1.0,
        "objpos": struct([{"x": 5.0, "y": 6.0}]),
        "annopoints": struct([{"point": joints}]),
    }
    one = {"image": struct([{"name": "000000001.jpg"}]), "annorect": struct([person])}
    fields: dict[str, object] = {"annolist": struct([one]), "img_train": np.array([[1]])}
    return {"RELEASE": struct([{k: v for k, v in {**fields, **change}.items() if v is not None}])}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"JFIF, not MATLAB's format " * 20, "is no MATLAB file that can be read"),
        (b"", "is no MATLAB file that can be read"),
        ({"joints": np.zeros((14, 3, 2))}, "has no variable 'RELEASE'"),
        ({"RELEASE": np.zeros((1, 1))}, "'RELEASE' has no field 'annolist'"),
        (broken_release(img_train=None), "'RELEASE' has no field 'img_train'"),
        (broken_release(img_train=np.array([[1, 1]])), "lists 1 photos, but says of 2"),
        (broken_release(), "has a joint 16, but MPII's are 0 to 15"),
    ],
)
def test_bad_original_file_is_one_clear_line(
    tmp_path: Path, people: list[dict[str, Any]], content: object, message: str
) -> None:
    path = tmp_path / "mpii.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    with pytest.raises(OccbenchError, match=message) as caught:
        read_mpii_mat(path, tmp_path / "images")
    assert "\n" not in str(caught.value)
