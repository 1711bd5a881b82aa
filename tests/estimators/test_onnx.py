"""ONNX files of other makes: their crops, guesses from their graphs, and what is read from their outputs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.synthetic import generate
from occbench.estimators.make import Options, make_estimator, what_it_sees
from occbench.estimators.onnx.crop_model import OnnxCrops, OnnxFile
from occbench.estimators.onnx.cropping import pipeline_of
from occbench.estimators.onnx.graph import sha256_of
from occbench.estimators.onnx.photo_model import OnnxPhotos, persons_of
from occbench.estimators.onnx.specification import READY, Specification, read_specification
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.inference.predictions import CellPredictions
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError
from occbench.tables.judge import judge
from occbench.tables.scoring import Scoring
from occbench.weights.zoo import find_model

from . import onnx_networks as networks

HIDDEN = Attack("part", "meanout", "corpus")
TEN_LINES = """\
output: heatmaps
colours: rgb
mean: [123.675, 116.28, 103.53]
std: [58.395, 57.12, 57.375]
refine: quarter
flip: true
shift: true
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    annotations = generate(2, 3, tmp_path_factory.mktemp("people") / "set")
    return read_coco(annotations, annotations.parent / "images")


def opened(path: Path, text: str = "", tmp: Path | None = None, **options: Any) -> OnnxCrops:
    """The estimator of a file, by the way of the command line."""
    if text:
        (path.parent / "spec.yaml").write_text(text)
    model = find_model(str(path), str(path.parent / "spec.yaml") if text else None)
    made = make_estimator(model, path, Options(**options))
    assert isinstance(made, OnnxCrops)
    return made


def poses(model: OnnxCrops, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints in crop px and scores of the clean crops."""
    crops = list(model.crops.cut_all(data.persons))
    found, scores, *_ = model.start(np.stack([crop.image for crop in crops]), crops)()
    return np.stack([crop.to_crop(points) for crop, points in zip(crops, found, strict=True)]), scores


def aps(data: Dataset, cells: Sequence[CellPredictions], geometry: np.ndarray) -> list[float]:
    """AP of the clean and of the attacked cell."""
    clean, attacked = cells
    scores = judge(data, Scoring("corrected", "exact", 0, 0), geometry[:, 2] * geometry[:, 3], clean)
    return [float(scores.rows(cell)[0]["value"]) for cell in (None, attacked)]


def test_an_export_of_a_model_gives_that_models_keypoints(people: Dataset, tmp_path: Path) -> None:
    """With the preprocessing in the specification, and in the graph: uint8, BGR, channels last."""
    setup_mmpose()
    import torch

    from occbench.estimators.backends.exports import _export
    from occbench.estimators.backends.network import Forward

    zoo = find_model("hrnet-mini")
    model = PoseModel(zoo.config_path, Path(str(zoo.checkpoint)))
    plain, whole = tmp_path / "plain.onnx", tmp_path / "whole.onnx"
    with torch.inference_mode():
        network = Forward(copy.deepcopy(model._model)).eval()
        names: dict[str, Any] = {"input_names": ["input"], "dynamic_axes": {"input": {0: "n"}}}
        torch.onnx.export(network, (torch.zeros(2, 3, 256, 192),), str(plain), dynamo=False, opset_version=17, **names)
    whole.write_bytes(_export("onnxruntime", model._model, (256, 192)))
    expected, geometry = predict_cells(model, people.persons, [HIDDEN], COCO)
    for path, text in (
        (plain, TEN_LINES.replace("quarter", "dark")),
        (whole, "size: [192, 256]\ncolours: bgr\nrefine: dark\nflip: true\nshift: true\n"),
    ):
        ours = opened(path, text)
        ours.use("onnxruntime", sample=list(ours.crops.cut_all(people.persons)))
        found, cut = predict_cells(ours, people.persons, [HIDDEN], COCO)
        np.testing.assert_array_equal(cut, geometry)
        for ap, expected_ap in zip(aps(people, found, cut), aps(people, expected, geometry), strict=True):
            assert ap == pytest.approx(expected_ap, abs=1e-4)
        for cell, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(cell.keypoints, theirs.keypoints, atol=1e-2)
            np.testing.assert_allclose(cell.scores, theirs.scores, atol=1e-5)
            np.testing.assert_array_equal(cell.covered, theirs.covered)


@pytest.mark.parametrize("nhwc", [True, False])
@pytest.mark.parametrize("batch", [1, "n"])
def test_heatmaps_of_another_make(people: Dataset, tmp_path: Path, nhwc: bool, batch: int | str) -> None:
    """Against MMPose's codec over heatmaps that NumPy computed, mirrored ones averaged in."""
    model = opened(networks.heatmaps(tmp_path / "net.onnx", nhwc, batch), TEN_LINES)
    layout = "nhwc" if nhwc else "nchw"
    assert model.guessed == {"layout": layout, "size": [192, 256], "outputs": ["heatmaps"], "maps": layout}
    found, scores = poses(model, people)
    from mmpose.codecs import MSRAHeatmap

    codec = MSRAHeatmap((192, 256), (48, 64), 2)
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    for person, points, certain in zip(people.persons, found, scores, strict=True):
        crop = (next(model.crops.cut_all([person])).image[..., ::-1].astype(np.float64) - mean) / std
        maps, mirrored = networks.heatmaps_of(np.stack([crop, crop[:, ::-1]]))
        mirrored = mirrored[list(COCO.flip_indices), :, ::-1].copy()
        mirrored[..., 1:] = mirrored[..., :-1].copy()
        expected, values = codec.decode((maps + mirrored) / 2)
        np.testing.assert_allclose(points, expected[0], atol=1e-3)
        np.testing.assert_allclose(certain, values[0], atol=1e-4)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_vectors_per_keypoint(people: Dataset, tmp_path: Path, swapped: bool) -> None:
    model = opened(networks.simcc(tmp_path / "net.onnx", swapped))
    assert model.guessed["output"] == "simcc"
    assert model.guessed["outputs"] == ["along_x", "along_y"]
    found, scores = poses(model, people)
    for person, points, certain in zip(people.persons, found, scores, strict=True):
        crop = next(model.crops.cut_all([person])).image[..., ::-1].astype(np.float32)
        maps = np.einsum("hwc,kc->khw", crop, networks.WEIGHTS)
        x, y = maps.max(1), maps.max(2)
        np.testing.assert_allclose(certain, np.minimum(x.max(1), y.max(1)), rtol=1e-5)
        sure = certain > 0
        np.testing.assert_allclose(
            np.take_along_axis(x, points[:, :1].round().astype(int).clip(0), 1)[sure, 0], x.max(1)[sure], rtol=1e-5
        )  # equal maxima are many: black and white
        np.testing.assert_allclose(points[sure], np.stack([x.argmax(1), y.argmax(1)], 1)[sure], atol=1e-2)


def test_coordinates_y_first_of_a_whole_number_input(people: Dataset, tmp_path: Path) -> None:
    """As MoveNet: int32, 192 x 192, (1, 1, 17, 3)."""
    path = networks.coordinates(tmp_path / "net.onnx", (1, 17, 3), TensorProto.INT32)
    model = opened(path, "like: movenet\n")
    found, scores = poses(model, people)
    crop = next(model.crops.cut_all(people.persons[:1])).image[..., ::-1]
    (output,) = model.graph.run(crop[None].astype(np.int32))
    np.testing.assert_allclose(found[0], output[0, 0, :, 1::-1] * 192, atol=1e-3)
    np.testing.assert_allclose(scores[0], output[0, 0, :, 2])


def test_coordinates_with_scores_apart_and_mirrored(people: Dataset, tmp_path: Path) -> None:
    path = networks.coordinates(tmp_path / "net.onnx", (17, 2), scores=True)
    model = opened(path, "unit: share\nflip: true\n")
    assert model.guessed["outputs"] == ["points", "scores"]
    found, scores = poses(model, people)
    crop = next(model.crops.cut_all(people.persons[:1])).image[..., ::-1].astype(np.float32)
    points, certain = model.graph.run(crop[None])  # mean colours do not change in the mirror
    mirrored = points[0, list(COCO.flip_indices)] * 192
    mirrored[:, 0] = 191 - mirrored[:, 0]
    np.testing.assert_allclose(found[0], (points[0] * 192 + mirrored) / 2, atol=1e-3)
    np.testing.assert_allclose(scores[0], certain[0], rtol=1e-5)


def test_some_of_more_keypoints(people: Dataset, tmp_path: Path) -> None:
    """Seven keypoints of 17, with names of their own; the mirror knows which is which."""
    names = ["nose", "left_hip", "right_hip"]
    text = f"keypoints: {names}\nkeep: [0, 11, 12]\nrefine: quarter\nflip: true\n"
    some = opened(networks.heatmaps(tmp_path / "net.onnx"), text)
    assert (some.keypoints, some.crops.flip_indices) == (3, (0, 2, 1))
    every = opened(networks.heatmaps(tmp_path / "net.onnx"), "refine: quarter\nflip: true\n")
    crops = list(every.crops.cut_all(people.persons))
    images = np.stack([crop.image for crop in crops])
    for few, all_of_them in zip(some.start(images, crops)()[:2], every.start(images, crops)()[:2], strict=True):
        np.testing.assert_array_equal(few, all_of_them[:, [0, 11, 12]])
    with pytest.raises(OccbenchError, match="made for the 3 keypoints"):
        some.require(COCO)


def test_a_stretched_crop_shows_the_whole_box_and_comes_back(people: Dataset) -> None:
    setup_mmpose()
    given = Specification(size=[96, 96], aspect="stretch", padding=1.0)
    person = people.persons[0]
    crop = next(pipeline_of(given).cut_all([person]))
    np.testing.assert_allclose(crop.scale, person.box[2:] - person.box[:2], rtol=1e-5)
    np.testing.assert_allclose(crop.to_crop(person.keypoints.astype(float)), crop.keypoints, atol=1e-3)


ROWS = np.zeros((300, 56), np.float32)
ROWS[0, :5] = 320, 320, 100, 200, 0.9
ROWS[1, :5] = 322, 321, 100, 200, 0.8  # the same person
ROWS[2, :5] = 100, 320, 80, 160, 0.7
ROWS[3, :5] = 500, 320, 80, 160, 0.0005  # nobody
ROWS[:, 5:] = np.random.default_rng(3).uniform(100, 500, (300, 51))


@pytest.mark.parametrize("columns_first", [True, False])
def test_persons_of_a_whole_photo(tmp_path: Path, columns_first: bool) -> None:
    path = networks.persons(tmp_path / "yolo.onnx", ROWS, columns_first)
    model = find_model(str(path), "yolo-pose")
    assert what_it_sees(model) == "photo"
    made = make_estimator(model, path)
    assert isinstance(made, OnnxPhotos)
    made.require(COCO)
    photo = np.random.default_rng(0).integers(0, 256, (240, 480, 3), dtype=np.uint8)
    made.use("onnxruntime", sample=[photo])
    ready = made.prepare(photo)
    assert ready.scale == pytest.approx(640 / 480)
    pictures = ready.content[0]
    np.testing.assert_allclose(pictures[0, :, 0, 0], 114 / 255, rtol=1e-5)
    assert pictures.shape == (1, 3, 640, 640)
    (found,) = made.predict([ready])
    assert found.scores.tolist() == [np.float32(0.9), np.float32(0.7)]
    expected = ROWS[[0, 2], 5:].reshape(2, 17, 3)
    np.testing.assert_allclose(found.keypoints, (expected[..., :2] - [0, 160]) / (640 / 480), atol=1e-3)
    np.testing.assert_array_equal(found.keypoint_scores, expected[..., 2])


def test_whole_photos_are_not_mirrored(tmp_path: Path) -> None:
    path = networks.persons(tmp_path / "yolo.onnx", ROWS)
    with pytest.raises(OccbenchError, match="flip is for networks that see one person's crop") as caught:
        OnnxFile(path, Specification(flip=True))
    assert "\n" not in str(caught.value)
    with pytest.raises(OccbenchError, match=r"two lists of persons.*leave --flip out") as caught:
        make_estimator(find_model(str(path), "yolo-pose"), path, Options(flip=True))
    assert "\n" not in str(caught.value)
    assert not make_estimator(find_model(str(path), "yolo-pose"), path, Options(flip=False)).flip


def test_a_network_that_thins_out_its_boxes_itself() -> None:
    rows = np.concatenate([ROWS[:3, :5], [[0], [0], [1]], ROWS[:3, 5:]], axis=1)  # the third is no person
    given = Specification(output="persons", boxes="corners", nms=None)
    _, _, scores = persons_of(rows, given)
    np.testing.assert_allclose(scores, [0.9, 0.8])


def test_where_no_person_is_found() -> None:
    points, keypoint_scores, scores = persons_of(ROWS[4:], Specification(output="persons"))
    assert (points.shape, keypoint_scores.shape, scores.shape) == ((0, 17, 2), (0, 17), (0,))


def test_what_is_ready_can_be_read() -> None:
    assert {name: read_specification(name).output for name in READY} == {
        **dict.fromkeys(("vitpose", "hrnet", "simplebaseline"), "heatmaps"),
        "rtmpose": "simcc",
        "yolo-pose": "persons",
        "movenet": "coordinates",
    }


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("output: heatmap", "output: Input should be 'heatmaps'"),
        ("siz: [192, 256]", "siz: Extra inputs are not permitted"),
        ("blur: 10", "must be odd, not 10"),
        ("std: [1, 0, 1]", r"std\[1\]: Input should be greater than 0"),
        ("[1, 2]", "must be a mapping with fields such as output"),
        ("like: hrnt", "unknown specification 'hrnt'.*hrnet"),
        ("like: other.yaml", "unknown specification 'other.yaml'"),
        ("layout: nchw", r"has 256 colours in layout nchw, not 3"),
        ("size: [100, 100]", r"its input is 192 x 256, not size: \[100, 100\]"),
        ("output: simcc", r"heatmaps \[64, 48, 17\].* are no simcc of 17 keypoints"),
        ("outputs: [maps]", "unknown output 'maps'.*heatmaps"),
        ("keypoints: mpii", "no output of 16 keypoints that is known"),
        ("keep: [1, 2]", "keep names 2 keypoints, but the data has 17"),
    ],
)
def test_a_wrong_specification_gets_one_line(tmp_path: Path, text: str, wrong: str) -> None:
    path = networks.heatmaps(tmp_path / "net.onnx")
    with pytest.raises(OccbenchError, match=wrong) as caught:
        opened(path, text)
    assert "\n" not in str(caught.value)


def test_what_is_no_onnx_file_gets_one_line(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(OccbenchError, match="there is no ONNX file"):
        find_model(str(path))
    path.write_bytes(b"nonsense")
    with pytest.raises(OccbenchError, match="cannot be loaded by ONNX Runtime") as caught:
        OnnxFile(path, Specification())
    assert "\n" not in str(caught.value)
    with pytest.raises(OccbenchError, match="--spec describes an ONNX file"):
        find_model("hrnet", "rtmpose")


def test_options_that_are_not_for_it(people: Dataset, tmp_path: Path) -> None:
    path = networks.heatmaps(tmp_path / "net.onnx")
    with pytest.raises(OccbenchError, match="--scales"):
        opened(path, scales=(0.8, 1.0))
    with pytest.raises(OccbenchError, match="cannot use device 'cuda'"):
        opened(path, device="cuda")
    with pytest.raises(OccbenchError, match="leave --backend"):
        opened(path).use("torch")
    assert not opened(path, TEN_LINES, flip=False).flip


def test_numbers_that_are_not_finite_are_refused(people: Dataset, tmp_path: Path) -> None:
    path = networks.heatmaps(tmp_path / "net.onnx")
    model = opened(path, "scale: 1000000\nstd: [1.0e-38, 1.0e-38, 1.0e-38]\n".replace("1.0e-38", "0.000001"))
    model.specification = model.specification.model_copy(update={"std": [1e-38] * 3})
    with pytest.raises(OccbenchError, match="not finite"):
        model.use("onnxruntime", sample=list(model.crops.cut_all(people.persons)))


def test_the_hash_covers_weights_beside_the_file(tmp_path: Path) -> None:
    import onnx

    path = networks.heatmaps(tmp_path / "net.onnx")
    alone = sha256_of(path)
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    together = sha256_of(path)
    assert together != alone
    opened(path)  # runs
    content = bytearray((tmp_path / "weights.bin").read_bytes())
    content[0] ^= 1
    (tmp_path / "weights.bin").write_bytes(content)
    assert sha256_of(path) != together
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(OccbenchError, match=r"weights in 'weights.bin', which must lie beside it"):
        sha256_of(path)


def test_another_specification_is_another_identity(tmp_path: Path) -> None:
    path = networks.heatmaps(tmp_path / "net.onnx")
    one, same, other = opened(path, TEN_LINES), opened(path, TEN_LINES), opened(path, TEN_LINES + "padding: 1.1\n")
    assert one.weights_sha256 == same.weights_sha256 == other.weights_sha256
    assert one.config_sha256 == same.config_sha256 != other.config_sha256
    assert one.about_backend()["specification"]["padding"] == 1.25
