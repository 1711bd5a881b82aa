"""Data sets by name and by file: what is read, what is said to be missing, and jittered boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from occbench.data.coco import read_coco
from occbench.data.jitter import jittered
from occbench.data.known import BY_NAME, KNOWN_SETS
from occbench.data.mpii import read_mpii
from occbench.data.sources import KNOWN, open_dataset
from occbench.data.synthetic import generate
from occbench.system.errors import OccbenchError

from . import set_builders as builders
from .set_builders import dump, head_boxes, photo


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that holds every named set in small, with as many photos as it should have in name only."""
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for split in ("val2017", "train2017"):
        made = generate(1, 3, tmp_path / "made" / split)
        target = tmp_path / f"coco/annotations/person_keypoints_{split}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        made.replace(target)
        (made.parent / "images").replace(tmp_path / "coco" / split)
    people = builders.mpii_json(rng)
    boxes = head_boxes(rng, len(people))
    for i in (1, 2):
        photo(tmp_path / "mpii" / "images" / f"{i:09d}.jpg")
    for name in ("train", "val"):
        dump(tmp_path / f"mpii/annotations/mpii_{name}.json", people)
    savemat(tmp_path / "mpii/annotations/mpii_gt_val.mat", {"headboxes_src": boxes})
    builders.mpii_mat(tmp_path / "mpii/annotations/mpii_human_pose_v1_u12_1.mat", people, boxes)
    for name in ("lsp", "lspet"):
        (tmp_path / name).mkdir()
        builders.lsp(tmp_path / name, rng, extended=name == "lspet")
    (tmp_path / "flic").mkdir()
    builders.flic(tmp_path / "flic", rng)
    coco = generate(1, 3, tmp_path / "made" / "ochuman")
    for split in ("val", "test"):
        path = tmp_path / f"ochuman/annotations/ochuman_coco_format_{split}_range_0.00_1.00.json"
        dump(path, json.loads(coco.read_text()))
    (coco.parent / "images").replace(tmp_path / "ochuman" / "images")
    for split in ("test", "trainval"):
        content = builders.crowdpose(rng)
        dump(tmp_path / f"crowdpose/annotations/mmpose_crowdpose_{split}.json", content)
    for image in content["images"]:
        photo(tmp_path / "crowdpose" / "images" / image["file_name"])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "metric", "keypoints"),
    [
        *[(name, "oks", 17) for name in ("coco-val2017", "coco-train2017", "ochuman", "ochuman-val")],
        *[(name, "oks", 14) for name in ("crowdpose", "crowdpose-trainval")],
        *[(name, "pckh", 16) for name in ("mpii", "mpii-train", "mpii-original")],
        *[(name, "pdj", 11) for name in ("flic", "flic-train")],
        ("lspet", "pck", 14),
    ],
)
def test_every_named_set_is_read_from_its_place(root: Path, name: str, metric: str, keypoints: int) -> None:
    dataset = open_dataset(name)
    assert (dataset.name, dataset.metric, len(dataset.skeleton.keypoints)) == (name, metric, keypoints)
    assert dataset.persons
    assert all(person.photo.path.is_file() for person in dataset.persons)
    assert dataset.annotations == root / BY_NAME[name].annotations


def test_lsp_by_name_is_its_test_half(root: Path) -> None:
    with pytest.raises(OccbenchError, match="is of 6 photos, but number 2000 is asked for"):
        open_dataset("lsp")
    assert dict(BY_NAME["lsp"].options)["numbers"] == range(1001, 2001)
    assert dict(BY_NAME["lsp-train"].options)["numbers"] == range(1, 1001)


@pytest.mark.parametrize(
    ("file", "metric", "keypoints"),
    [
        ("coco/annotations/person_keypoints_val2017.json", "oks", 17),
        ("mpii/annotations/mpii_val.json", "pckh", 16),
        ("mpii/annotations/mpii_train.json", "pckh", 16),
        ("mpii/annotations/mpii_human_pose_v1_u12_1.mat", "pckh", 16),
        ("lsp/joints.mat", "pck", 14),
        ("lspet/joints.mat", "pck", 14),
        ("flic/examples.mat", "pdj", 11),
        ("crowdpose/annotations/mmpose_crowdpose_test.json", "oks", 14),
    ],
)
def test_a_file_says_itself_what_it_is(root: Path, file: str, metric: str, keypoints: int) -> None:
    images = root / "coco" / "val2017" if file.startswith("coco") else None
    dataset = open_dataset(str(root / file), images)
    assert (dataset.metric, len(dataset.skeleton.keypoints)) == (metric, keypoints)
    assert all(person.photo.path.is_file() for person in dataset.persons)
    if metric == "pckh":
        assert dataset.lengths is not None
        assert np.isfinite(dataset.lengths).all() == (not file.endswith("train.json"))
    assert (dataset.levels is not None) == ("crowdpose" in file)


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path))
    for known in KNOWN_SETS:
        with pytest.raises(OccbenchError, match=f"{known.name} is not at .*occbench fetch {known.fetch}. brings it"):
            open_dataset(known.name)
        assert str(tmp_path / known.annotations) in known.missing()
        assert str(tmp_path / known.images) in known.missing()
    with pytest.raises(OccbenchError, match="unknown dataset 'mpi'; did you mean mpii"):
        open_dataset("mpi")
    savemat(tmp_path / "other.mat", {"poses": np.zeros(3)})
    with pytest.raises(OccbenchError, match=r"none of MPII's .RELEASE., LSP's .*: it has poses"):
        open_dataset(str(tmp_path / "other.mat"))
    assert len(set(KNOWN)) == len(KNOWN_SETS) + 1


def test_complete_is_as_many_photos_as_the_published_set_has(root: Path) -> None:
    assert BY_NAME["ochuman"].missing() == ""
    assert "9,994 photos in" in BY_NAME["lspet"].missing()
    assert "(it has 6)" in BY_NAME["lspet"].missing()
    for i in range(7, 10_001):
        (root / "lspet" / "images" / f"im{i:05d}.jpg").touch()
    assert BY_NAME["lspet"].missing() == ""
    (root / "mpii/annotations/mpii_gt_val.mat").unlink()
    assert "mpii_gt_val.mat" in BY_NAME["mpii"].missing()
    with pytest.raises(OccbenchError, match=r"mpii is not at .*mpii_gt_val\.mat"):
        open_dataset("mpii")


@pytest.mark.parametrize("boxes", ["jitter:", "jitter:x", "jitter:0", "jitter:1", "jitter:-0.1", "jitter:nan"])
def test_a_jitter_that_is_no_share_is_refused(boxes: str) -> None:
    with pytest.raises(OccbenchError, match="S must be a share of the box above 0 and below 1"):
        open_dataset("sample", boxes=boxes)


def test_jitter_is_known_noise(tmp_path: Path) -> None:
    annotations = generate(20, 5, tmp_path / "people")
    dataset = read_coco(annotations, annotations.parent / "images")
    some, more, other = jittered(dataset, 0.1, 0), jittered(dataset, 0.2, 0), jittered(dataset, 0.1, 1)
    assert (some.box_source, some.jitter, dataset.box_source) == ("jitter", 0.1, "gt")
    before, after, twice, another = (np.array([p.box for p in d.persons]) for d in (dataset, some, more, other))
    sides = before[:, 2:] - before[:, :2]
    shift = ((after[:, :2] + after[:, 2:]) - (before[:, :2] + before[:, 2:])) / 2 / sides
    grow = (after[:, 2:] - after[:, :2]) / sides
    assert (np.abs(shift) <= 0.1 + 1e-5).all()
    np.testing.assert_allclose(grow[:, 0], grow[:, 1], atol=1e-4)
    assert (np.abs(grow - 1) <= 0.1 + 1e-4).all()
    # It fills its range: uniform draws of 0.1 have a standard deviation of 0.058.
    assert 0.04 < shift.std() < 0.075
    assert 0.04 < grow.std() < 0.075
    np.testing.assert_allclose(twice - before, 2 * (after - before), atol=0.05)
    assert not np.allclose(after, another)
    # The draw is the person's own, whoever else is there; nothing else about it changes.
    few = jittered(dataset.first(3), 0.1, 0)
    by_id = {person.id: person for person in some.persons}
    for person in few.persons:
        np.testing.assert_array_equal(person.box, by_id[person.id].box)
        assert person.annotation == person.id
    np.testing.assert_array_equal(some.truth.bbox, dataset.truth.bbox)
    with pytest.raises(ValueError, match="share"):
        jittered(dataset, 1.5, 0)


def test_jitter_moves_centre_and_scale_with_the_box(root: Path) -> None:
    dataset = open_dataset("mpii", boxes="jitter:0.25", seed=3)
    plain = read_mpii(root / "mpii/annotations/mpii_val.json", root / "mpii/images")
    for person, before in zip(dataset.persons, plain.persons, strict=True):
        assert person.center is not None
        assert person.scale is not None
        np.testing.assert_allclose((person.box[:2] + person.box[2:]) / 2, person.center, atol=1e-3)
        np.testing.assert_allclose(person.box[2:] - person.box[:2], person.scale, atol=1e-3)
        assert not np.allclose(person.box, before.box, atol=0.1)
