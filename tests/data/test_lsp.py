"""LSP, its extended set and FLIC, in their published layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from occbench.attacks import FLIC, LSP
from occbench.data.flic import read_flic
from occbench.data.lsp import read_lsp
from occbench.data.photos import check_photos
from occbench.system.errors import OccbenchError

from ..conftest import Real
from . import set_builders as builders


def around(points: np.ndarray, size: tuple[int, int] = (120, 160)) -> list[float]:
    """The box of joints: their rectangle, a tenth of its longer side further out, clipped."""
    (x1, y1), (x2, y2) = points.min(0), points.max(0)
    grow = 0.1 * max(x2 - x1, y2 - y1)
    corners = [max(0, x1 - grow), max(0, y1 - grow), min(size[0] - 1, x2 + grow), min(size[1] - 1, y2 + grow)]
    return np.float32(corners).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("extended", [False, True], ids=["lsp", "lspet"])
def test_every_person_is_that_of_the_file(tmp_path: Path, extended: bool) -> None:
    poses = builders.lsp(tmp_path, np.random.default_rng(0), extended=extended)
    dataset = check_photos(read_lsp(tmp_path / "joints.mat", tmp_path / "images"))
    assert dataset.name == ("lspet" if extended else "lsp")
    assert dataset.skeleton is LSP
    assert dataset.metric == "pck"
    assert len(dataset.persons) == len(poses)
    for n, (person, joints) in enumerate(zip(dataset.persons, poses, strict=True), start=1):
        flags = joints[:, 2] == 1
        expected = np.where(flags, 2, 0) if extended else np.where(flags, 1, 2)
        np.testing.assert_array_equal(person.visibility, expected)
        there = expected > 0
        np.testing.assert_array_equal(person.keypoints[there], joints[there, :2])
        assert person.box.tolist() == around(joints[there, :2])
        assert person.photo.path == tmp_path / "images" / (f"im{n:05d}.jpg" if extended else f"im{n:04d}.jpg")
        assert (person.photo.width, person.photo.height) == (120, 160)
        assert dataset.lengths is not None
        # Left shoulder (9) to right hip (2).
        assert dataset.lengths[n - 1] == pytest.approx(np.linalg.norm(joints[9, :2] - joints[2, :2]))


def test_the_torso_is_that_of_the_other_diagonal_where_one_is_not_labelled(tmp_path: Path) -> None:
    poses = builders.lsp(tmp_path, np.random.default_rng(0), photos=3, extended=True)
    poses[0, 9, 2] = 0
    poses[1, [9, 8], 2] = 0
    savemat(tmp_path / "joints.mat", {"joints": poses.transpose(1, 2, 0)})
    lengths = read_lsp(tmp_path / "joints.mat", tmp_path / "images").lengths
    assert lengths is not None
    assert lengths[0] == pytest.approx(np.linalg.norm(poses[0, 8, :2] - poses[0, 3, :2]))
    assert np.isnan(lengths[1])
    assert lengths[2] == pytest.approx(np.linalg.norm(poses[2, 9, :2] - poses[2, 2, :2]))


def test_a_person_of_one_joint_has_no_box_and_is_left_out(tmp_path: Path) -> None:
    poses = builders.lsp(tmp_path, np.random.default_rng(0), photos=3, extended=True)
    poses[1, 1:, 2] = 0
    savemat(tmp_path / "joints.mat", {"joints": poses.transpose(1, 2, 0)})
    dataset = read_lsp(tmp_path / "joints.mat", tmp_path / "images")
    assert [person.id for person in dataset.persons] == [1, 3]
    assert dataset.truth.ids.tolist() == [1, 3]


def test_some_of_the_photos(tmp_path: Path) -> None:
    builders.lsp(tmp_path, np.random.default_rng(0))
    dataset = read_lsp(tmp_path / "joints.mat", tmp_path / "images", numbers=range(4, 7))
    assert [person.photo.file_name for person in dataset.persons] == ["im0004.jpg", "im0005.jpg", "im0006.jpg"]


@pytest.mark.real
def test_real_crops_of_the_extended_set(real: Real) -> None:
    from scipy.io import loadmat

    folder = real.root / "lsp"
    dataset = check_photos(read_lsp(folder / "joints.mat", folder / "images"))
    joints = loadmat(folder / "joints.mat")["joints"]
    assert joints.shape == (14, 3, 400)
    assert len(dataset.persons) == 400
    for n, person in enumerate(dataset.persons):
        there = joints[:, 2, n] == 1
        np.testing.assert_array_equal(person.labelled, there)
        np.testing.assert_array_equal(person.keypoints[there], joints[there, :2, n].astype(np.float32))
        assert person.photo.file_name == f"im{n + 1:05d}.jpg"
        # All but one of 4,819 joints lie in their photo; the box holds those of a person, and lies in it too.
        low, high = person.box[:2], person.box[2:]
        inside = person.keypoints[there].clip(0, (person.photo.width - 1, person.photo.height - 1))
        assert (inside >= low).all()
        assert (inside <= high).all()
        assert (high <= (person.photo.width - 1, person.photo.height - 1)).all()


Files = Callable[[Path, np.ndarray], None]


def rewrite(**variables: object) -> Files:
    return lambda folder, poses: savemat(folder / "joints.mat", variables)


def scaled(folder: Path, poses: np.ndarray) -> None:
    poses[0, 0, 2] = 0.5
    savemat(folder / "joints.mat", {"joints": poses.transpose(2, 1, 0)})


def lost(folder: Path, poses: np.ndarray) -> None:
    poses[0, 0, 0] = np.nan
    savemat(folder / "joints.mat", {"joints": poses.transpose(2, 1, 0)})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder, _: (folder / "joints.mat").unlink(), "joints.mat' does not exist"),
        (lambda folder, _: (folder / "joints.mat").write_text("[]"), "is no MATLAB file that can be read"),
        (rewrite(points=np.zeros((3, 14, 6))), "has no variable 'joints' .it has points"),
        (rewrite(joints=np.zeros((3, 16, 6))), r"shape \(3, 16, 6\), but LSP's is \(3, 14, photos\)"),
        (rewrite(joints=np.zeros((14, 2, 6))), r"shape \(14, 2, 6\)"),
        (rewrite(joints="text"), "holds no numbers"),
        (scaled, "a flag other than 0 or 1"),
        (lost, "a labelled joint lies in no photo"),
        (
            lambda folder, _: (folder / "images" / "im0003.jpg").unlink(),
            "is of 6 photos, but .* has 5: they",
        ),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, spoil: Files, message: str) -> None:
    poses = builders.lsp(tmp_path, np.random.default_rng(0))
    spoil(tmp_path, poses)
    with pytest.raises(OccbenchError, match=message) as caught:
        read_lsp(tmp_path / "joints.mat", tmp_path / "images")
    assert "\n" not in str(caught.value)


def test_photos_that_are_not_there_are_refused(tmp_path: Path) -> None:
    builders.lsp(tmp_path, np.random.default_rng(0))
    with pytest.raises(OccbenchError, match="does not exist"):
        read_lsp(tmp_path / "joints.mat", tmp_path / "photos")
    with pytest.raises(OccbenchError, match="is of 6 photos, but number 2000 is asked for"):
        read_lsp(tmp_path / "joints.mat", tmp_path / "images", numbers=range(1001, 2001))
    (tmp_path / "images" / "im0002.jpg").write_bytes(b"no picture")
    with pytest.raises(OccbenchError, match=r"im0002.jpg' is not an image"):
        check_photos(read_lsp(tmp_path / "joints.mat", tmp_path / "images"))


def test_flic_is_the_published_layout(tmp_path: Path) -> None:
    rows = builders.flic(tmp_path, np.random.default_rng(0))
    for split, numbers in (("test", [0, 2, 4]), ("train", [1, 3]), (None, [0, 1, 2, 3, 4])):
        dataset = check_photos(read_flic(tmp_path / "examples.mat", tmp_path / "images", split=split))
        assert sorted(person.id for person in dataset.persons) == numbers
        assert dataset.metric == "pdj"
        assert dataset.skeleton is FLIC
    assert len(dataset.photos) == 4
    for g, person in enumerate(sorted(dataset.persons, key=lambda p: p.id)):
        coords = rows[person.id]["coords"]
        np.testing.assert_array_equal(person.keypoints, coords[:, np.isfinite(coords[0])].T)
        assert (person.visibility == 2).all()
        assert person.photo.file_name == rows[person.id]["filepath"]
        assert person.box.tolist() == around(person.keypoints.astype(np.float64))
        assert dataset.lengths is not None
        # Left shoulder is the first of the 29 places, right hip the tenth.
        assert dataset.lengths[g] == pytest.approx(np.linalg.norm(coords[:, 0] - coords[:, 9]))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("coords", np.zeros((2, 11)), r"'coords' of example 0 has shape \(2, 11\), but FLIC's is \(2, 29\)"),
        ("coords", np.full((2, 29), 1e9), "a joint of example 0 lies in no frame"),
        ("coords", None, "has no field 'coords'"),
        ("istest", None, "has no field 'istest'"),
        ("istest", 0, "nothing to measure"),
        ("filepath", "../x.jpg", "'../x.jpg' is no file name of a photo"),
        ("filepath", 7.0, "'' is no file name of a photo"),
    ],
)
def test_bad_flic_is_one_clear_line(tmp_path: Path, field: str, value: object, message: str) -> None:
    rows = builders.flic(tmp_path, np.random.default_rng(0))
    spoilt = [{k: v for k, v in {**row, field: value}.items() if v is not None} for row in rows]
    savemat(tmp_path / "examples.mat", {"examples": builders.struct(spoilt)})
    with pytest.raises(OccbenchError, match=message) as caught:
        read_flic(tmp_path / "examples.mat", tmp_path / "images")
    assert "\n" not in str(caught.value)
