"""The boxes that a detector finds, against MMDet's own inference, and what is no detector of persons."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from occbench.data.coco import read_coco
from occbench.data.matching import match_boxes
from occbench.data.photos import decode
from occbench.estimators.config import load_config
from occbench.inference.detector import Detector, build_detector
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError
from occbench.weights.detectors import list_detectors
from occbench.weights.zoo import find_model

from .conftest import CONFIG, WEIGHTS


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(CONFIG, WEIGHTS)


def weights(folder: Path, classes: tuple[str, ...] | None = None, **changes: object) -> Path:
    """The detector's weights with other words about themselves, or other content."""
    content = torch.load(WEIGHTS, weights_only=True)
    if classes is not None:
        content["meta"] = {"dataset_meta": {"classes": classes}}
    content.update(changes)
    path = folder / "weights.pth"
    torch.save(content, path)
    return path


def test_the_boxes_are_those_of_mmdet(detector: Detector, photos: Path) -> None:
    """From the file, by MMDet's own entry points: its pipeline, its rescaling."""
    setup_mmpose()
    from mmdet.apis import inference_detector, init_detector
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = init_detector(str(CONFIG), str(WEIGHTS), device="cpu", palette="random")
    found = 0
    for photo in read_coco(photos, photos.parent / "images").photos.values():
        ours = detector.detect(decode(photo))
        with DefaultScope.overwrite_default_scope("mmdet"):
            expected = inference_detector(theirs, str(photo.path)).pred_instances
        assert ours.dtype == np.float64
        assert (np.diff(ours[:, 4]) <= 0).all()
        both = np.column_stack([expected.bboxes.numpy(), expected.scores.numpy()])
        np.testing.assert_allclose(ours, both[np.argsort(-both[:, 4], kind="stable")], atol=1e-3)
        found += len(ours)
    assert found > 12


def test_it_finds_the_people(detector: Detector, photos: Path) -> None:
    """Not on the photos it was trained on; enough of them for the machinery to be tested on something."""
    dataset = read_coco(photos, photos.parent / "images")
    matched = 0
    for photo in dataset.photos.values():
        found = detector.detect(decode(photo))
        truth = dataset.truth.bbox[dataset.truth.image == photo.id]
        boxes = np.column_stack([found[:, :2], found[:, 2:4] - found[:, :2]])
        matched += int((match_boxes(boxes, found[:, 4], truth) >= 0).sum())
    assert matched > len(dataset.truth) / 2


def test_only_the_class_person_counts_wherever_it_stands(tmp_path: Path, photos: Path, detector: Detector) -> None:
    """A detector of two classes, its second one the person: the person's boxes come out, the dog's do not."""
    config = tmp_path / "two.py"
    config.write_text(f'_base_ = "{CONFIG}"\nmodel = dict(bbox_head=dict(num_classes=2))\n')
    state = torch.load(WEIGHTS, weights_only=True)["state_dict"]
    for name, value in list(state.items()):
        if "rtm_cls" in name:  # one score for each class: the first is that of the dog
            state[name] = torch.cat([value - 1.5 if name.endswith("bias") else value, value])
    torch.save({"state_dict": state}, tmp_path / "two.pth")
    both = [(("dog", "person"), 1.0), (("Person", "dog"), 1.0)]
    photo = decode(next(iter(read_coco(photos, photos.parent / "images").photos.values())))
    counts = []
    for classes, _ in both:
        torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": classes}}}, tmp_path / "two.pth")
        counts.append(Detector(config, tmp_path / "two.pth", trust_config=True).detect(photo))
    scores = detector.detect(photo)[:, 4]
    assert counts[0][0, 4] == pytest.approx(scores[0], abs=1e-4)
    assert counts[1][0, 4] < counts[0][0, 4] - 0.05


def test_the_classes_are_the_checkpoints_else_the_configs(tmp_path: Path) -> None:
    assert Detector(CONFIG, weights(tmp_path, ("Person",))).classes == ("Person",)
    assert Detector(CONFIG, weights(tmp_path, meta={"CLASSES": ("person",)})).classes == ("person",)  # of MMDet 2
    assert Detector(CONFIG, weights(tmp_path, meta={})).classes == ("person",)  # of the config


def test_a_detector_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"knows no class 'person', but 'dog'"):
        Detector(CONFIG, weights(tmp_path, ("dog",)))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = torch.load(WEIGHTS, weights_only=True)["state_dict"]
    del state["backbone.stem.0.conv.weight"]
    with pytest.raises(OccbenchError, match=r"do not fit the model; keys: 1 missing \(backbone.stem.0.conv.weight\)"):
        Detector(CONFIG, weights(tmp_path, state_dict=state))


class Payload:
    """What a checkpoint may hold besides weights."""


def test_a_checkpoint_that_holds_more_than_weights_needs_trust(tmp_path: Path) -> None:
    path = weights(tmp_path, optimizer=Payload())
    with pytest.raises(OccbenchError, match="--trust-checkpoint"):
        Detector(CONFIG, path)
    assert Detector(CONFIG, path, trust=True).classes == ("person",)


def test_a_config_that_runs_code_from_elsewhere_needs_trust(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.write_text(f'_base_ = "{CONFIG}"\n')
    with pytest.raises(OccbenchError, match="--trust-config"):
        Detector(config, WEIGHTS)
    trusted = Detector(config, WEIGHTS, trust_config=True)
    assert "lies outside" in trusted.from_elsewhere[0]


def answering(monkeypatch: pytest.MonkeyPatch, boxes: list[list[float]]) -> None:
    """Have MMDet find these persons, whatever the photo."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    found = InstanceData(
        bboxes=torch.tensor(boxes), scores=torch.full((len(boxes),), 0.5), labels=torch.zeros(len(boxes), dtype=int)
    )
    monkeypatch.setattr("mmdet.apis.inference_detector", lambda *_: DetDataSample(pred_instances=found))


def test_boxes_that_are_no_numbers_are_an_error(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [[0, 0, torch.nan, 9]])
    with pytest.raises(OccbenchError, match="are not finite numbers"):
        detector.detect(np.zeros((40, 60, 3), np.uint8))


def test_boxes_without_an_area_in_the_photo_are_left_out(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    over = [-3, -3, 70, 45]  # the edge, as letterboxed photos have them
    answering(monkeypatch, [[9, 9, 9, 20], [61, 0, 90, 20], [0, -30, 20, 0], over, [9, 41, 20, 50]])
    np.testing.assert_array_equal(detector.detect(np.zeros((40, 60, 3), np.uint8)), [[*over, 0.5]])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("model = 5", "a 'model' that is no dictionary"),
        ("model = dict(type='NoSuchDetector')", "MMDet cannot build the detector"),
        ("model = dict(type='ResNet', depth=18)", "no detector of MMDet"),
        ("x = 1", "defines no 'model'"),
    ],
)
def test_configs_that_are_no_detectors(tmp_path: Path, text: str, word: str) -> None:
    config = tmp_path / "config.py"
    config.write_text(text)
    with pytest.raises(OccbenchError, match=word):
        Detector(config, WEIGHTS)


def test_a_pose_models_config_is_no_detectors() -> None:
    with pytest.raises(OccbenchError, match="MMDet cannot build the detector"):
        Detector(find_model("hrnet-mini").config_path, WEIGHTS)


def test_a_config_without_a_test_pipeline(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(f'_base_ = "{CONFIG}"\ntest_dataloader = dict(_delete_=True, dataset=dict(type="CocoDataset"))\n')
    with pytest.raises(OccbenchError, match="has no test pipeline that works"):
        Detector(config, WEIGHTS, trust_config=True)


@pytest.mark.parametrize("name", [detector.name for detector in list_detectors()])
def test_the_named_detectors_run_on_this_mmcv(name: str, tmp_path: Path) -> None:
    """With random weights, for there are no others without a download: the whole way, a fifth of the size."""
    chosen = next(detector for detector in list_detectors() if detector.name == name)
    setup_mmpose()
    config = load_config(chosen.config_path)
    config.model.backbone.pop("init_cfg", None)
    for step in config.test_dataloader.dataset.pipeline:
        for size in {"scale", "size"} & set(step):
            step[size] = tuple(side // 5 for side in step[size])
    if "rpn" in config.model.test_cfg:
        config.model.test_cfg.rpn.update(nms_pre=50, max_per_img=50)
    config.dump(tmp_path / "small.py")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save({"state_dict": build_detector(config, chosen.config_path).state_dict()}, tmp_path / "random.pth")
    detector = Detector(tmp_path / "small.py", tmp_path / "random.pth")
    assert len(detector.classes) == 80
    found = detector.detect(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    assert found.shape[1:] == (5,)
    assert np.isfinite(found).all()
