"""What a training refuses, each in one clear line."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml  # type: ignore[import-untyped]

from occbench.attacks import COCO
from occbench.system.errors import OccbenchError
from occbench.training import (
    Augmentation,
    Settings,
    TrainingData,
    best_checkpoint,
    export_checkpoint,
    find_config,
    train,
    training_data,
)
from occbench.training.plan import make_plan

from ..augmentations.conftest import TINY
from ..augmentations.conftest import people as people  # fixtures
from ..augmentations.conftest import tiny as tiny
from .training_runs import same

CONFIG = Path(__file__).parents[2] / "configs" / "hrnet_mini.py"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param("{not json", "is not valid JSON", id="no JSON"),
        pytest.param("[1, 2]", "is no COCO file", id="no COCO"),
        pytest.param('{"images": [], "annotations": []}', "annotations.json", id="empty"),
        pytest.param('{"images": [], "annotations": [{"bbox": [0, 0, 1, 1]}]}', "no keypoints", id="boxes only"),
        pytest.param('{"annotations": [{"keypoints": [1]}]}', "is no COCO file", id="no images"),
        pytest.param('[{"joints_vis": [1, 1], "image": "a.jpg", "center": [1, 2]}]', "annotations.json", id="MPII"),
    ],
)
def test_bad_annotations_are_one_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "annotations.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OccbenchError, match=message):
        training_data(path)


def test_missing_photos_are_noticed_before_the_training(people: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"is missing; so are 3 more of 4 photos: check --images"):
        training_data(people.annotations, tmp_path)
    with pytest.raises(OccbenchError, match="nowhere' does not exist"):
        training_data(people.annotations, tmp_path / "nowhere")


def test_an_error_of_a_worker_is_one_clear_line(tmp_path: Path) -> None:
    """As torch passes it on: with the worker's traceback in the message."""
    from torch._utils import ExceptionWrapper

    from occbench.training.run import one_line

    def raised(error: Exception) -> str:
        try:
            raise error
        except Exception:
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        with pytest.raises(OccbenchError) as caught, one_line(tmp_path):
            wrapped.reraise()
        return str(caught.value)

    assert raised(OccbenchError("PartMix needs more")) == "PartMix needs more"
    lost = FileNotFoundError("`gone` occurs when loading `/data/a b.jpg`.Please check whether the file exists.")
    assert raised(lost) == "photo '/data/a b.jpg' cannot be read or decoded"


def test_what_has_no_deterministic_form_is_one_clear_line(tmp_path: Path) -> None:
    """As torch refuses it: here what it refuses on a CPU, on a GPU the gradient of fractional max-pooling."""
    from occbench.training.run import one_line

    torch.use_deterministic_algorithms(True)
    try:
        refused = pytest.raises(OccbenchError, match=r"--deterministic .* torch's put_ has no deterministic form")
        with refused, one_line(tmp_path):
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
    finally:
        torch.use_deterministic_algorithms(False)


def test_partmix_needs_parts_to_mix(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    content = json.loads(people.annotations.read_text())
    for annotation in content["annotations"]:
        annotation["keypoints"][2::3] = [2] * 5 + [0] * 12  # heads alone
    (tmp_path / "heads.json").write_text(json.dumps(content))
    heads = training_data(tmp_path / "heads.json", people.images)
    settings = Settings(epochs=1, batch_size=2, augmentation=Augmentation(("partmix",)))
    with pytest.raises(OccbenchError, match=r"two persons with different parts .* head [0-9]+, left_arm 0"):
        train(tiny, heads, tmp_path / "run", None, settings, workers=0)
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["keypoints"][2::3] = [2] * 17
    (tmp_path / "one.json").write_text(json.dumps(content))
    with pytest.raises(OccbenchError, match="of 1 persons: head 1, left_arm 1"):
        train(tiny, training_data(tmp_path / "one.json", people.images), tmp_path / "run", None, settings, workers=0)


def test_no_space_for_a_checkpoint_is_one_clear_error(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from collections import namedtuple

    settings = Settings(epochs=2, batch_size=4)
    out = tmp_path / "full"
    out.mkdir()
    (out / "epoch_2.pth").symlink_to("/dev/full")
    with pytest.raises(OccbenchError, match=r"no space is left for a checkpoint in .*full'; make room"):
        train(tiny, people, out, None, settings, workers=0)
    (out / "epoch_2.pth").unlink()
    resumed = train(tiny, people, out, None, settings, resume=True, workers=0)
    assert same(resumed, train(tiny, people, tmp_path / "whole", None, settings, workers=0))

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 100_000))
    with pytest.raises(OccbenchError, match="has 0 MB left, but the checkpoints of this training need 1 MB"):
        train(tiny, people, tmp_path / "small", None, settings, workers=0)


def test_other_mistakes_are_one_clear_error(people: TrainingData, tmp_path: Path) -> None:
    few = Settings(epochs=1)
    (tmp_path / "file").touch()
    with pytest.raises(OccbenchError, match="--out"):
        train(CONFIG, people, tmp_path / "file" / "run", None, Settings(epochs=1, batch_size=2), workers=0)
    with pytest.raises(OccbenchError, match=r"there is no .*none.pth"):
        train(CONFIG, people, tmp_path / "a", None, Settings(init=str(tmp_path / "none.pth")), workers=0)
    with pytest.raises(OccbenchError, match="--batch-size"):
        train(CONFIG, people, tmp_path / "b", None, Settings(batch_size=500), workers=0)
    with pytest.raises(OccbenchError, match="no weights of model 'hourglass-mini' are known"):
        train(CONFIG, people, tmp_path / "d", None, Settings(batch_size=2, init="hourglass-mini"), workers=0)
    with pytest.raises(OccbenchError, match="--amp needs a GPU"):
        train(CONFIG, people, tmp_path / "c", None, Settings(batch_size=2, amp=True), workers=0)
    with pytest.raises(OccbenchError, match="exclude each other"):
        Settings(amp=True, bf16=True)
    with pytest.raises(OccbenchError, match="unknown decay 'step'; did you mean steps"):
        Settings(decay="step")
    with pytest.raises(OccbenchError, match="--seed"):
        Settings(seed=2**32)
    with pytest.raises(OccbenchError, match="no checkpoint"):
        best_checkpoint(tmp_path)
    with pytest.raises(OccbenchError, match=r"trains on a MpiiDataset, but .* is a CocoDataset"):
        train(find_config("hrnet-w32-mpii_baseline"), people, tmp_path / "d", None, few, workers=0)
    mixed = Settings(augmentation=Augmentation(("blur-part",)))
    with pytest.raises(OccbenchError, match=r"has an augmentation already \(PartMix\)"):
        train(find_config("hrnet-w32_partmix-p50"), people, tmp_path / "e", None, mixed, workers=0)
    for name, text, words in (
        ("broken", "model = ", "cannot be read: SyntaxError"),
        ("bare", "model = dict()", "has no model with a train_dataloader"),
        (
            "ae",
            TINY.replace("dict(type='TopdownAffine', input_size=codec['input_size']),", ""),
            "cannot be trained here",
        ),
    ):
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(OccbenchError, match=words):
            train(tmp_path / f"{name}.py", people, tmp_path / "f", None, few, workers=0)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["c"]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        pytest.param("part-mix", {}, "unknown augmentation 'part-mix'; did you mean partmix", id="unknown"),
        pytest.param("partmix,partmix", {}, "named twice", id="twice"),
        pytest.param("partmix", {"p": 1.5}, "from 0 to 1, but got 1.5", id="p"),
        pytest.param("none", {"p": 0.5}, "need an augmentation, but --aug is none", id="p of none"),
        pytest.param("bare", {"decoys": 2}, "need an augmentation", id="decoys of none"),
        pytest.param("blur-keypoint", {"removal": True}, "a single keypoint under its disc is all", id="removal"),
        pytest.param("partmix,multi-keypoint", {"removal": True}, "not go with multi-keypoint", id="removal, multi"),
        pytest.param("random-cutout", {"removal": True}, "the control that knows no labels", id="removal, random"),
        pytest.param("random-cutout-part", {"decoys": 1}, "hides no target", id="decoys, random"),
    ],
)
def test_a_wrong_augmentation_is_one_clear_error(text: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(OccbenchError, match=words):
        Augmentation.parse(text, **settings)


def changed(people: TrainingData, path: Path, change: Any) -> Path:
    """The people's annotations with every annotation changed."""
    content = json.loads(people.annotations.read_text())
    for annotation in content["annotations"]:
        change(annotation)
    path.write_text(json.dumps(content))
    return path


def test_a_loss_that_is_not_finite_ends_the_training(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    settings = Settings(epochs=2, batch_size=2, lr=1e30)
    for workers in (0, 1):
        out = tmp_path / f"run{workers}"
        with pytest.raises(
            OccbenchError, match=r"the loss is (nan|inf) in iteration \d+ \(epoch [12]\), at a learning rate of 1"
        ):
            train(tiny, people, out, None, settings, workers=workers)
        assert not (out / "model.pth").exists()
    with pytest.raises(OccbenchError, match=r"the loss is (nan|inf) in iteration 2"):
        make_plan(tiny, people, None, settings, workers=0)


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.tensor([1.0]), "b": torch.tensor([float("inf")])}}, tmp_path / "a.pth")
    with pytest.raises(OccbenchError, match=r"1 weights of .* are not finite \(b"):
        export_checkpoint(tmp_path / "a.pth", tmp_path / "model.pth")
    assert not (tmp_path / "model.pth").exists()


def test_a_keypoint_that_is_no_number_is_refused_or_left_out_before_the_training(
    people: TrainingData, tmp_path: Path
) -> None:
    path = changed(people, tmp_path / "nan.json", lambda a: a["keypoints"].__setitem__(3, float("nan")))
    with pytest.raises(OccbenchError, match=r"nan\.json.*keypoints"):
        training_data(path, people.images)


def test_a_cut_off_photo_is_found_before_the_training(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(people.images, images)
    last = max(images.iterdir())
    last.write_bytes(last.read_bytes()[:-2000])
    with pytest.raises(OccbenchError, match=rf"{last.name}.* is truncated"):
        training_data(people.annotations, images)
    rest = training_data(people.annotations, images, skip_unreadable=True)
    assert len(rest.labelled) < len(people.labelled)
    assert train(tiny, rest, tmp_path / "run", rest, Settings(epochs=1, batch_size=2), workers=0).is_file()


def test_validation_without_area_is_measured_by_the_boxes(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    bare = training_data(changed(people, tmp_path / "bare.json", lambda a: a.pop("area")), people.images)
    out = tmp_path / "run"
    assert train(tiny, people, out, bare, Settings(epochs=1, batch_size=2), workers=0).is_file()
    assert "coco/AP" in "".join(path.read_text() for path in out.glob("*/vis_data/scalars.json"))
    given = json.loads(bare.file.read_text())["annotations"]
    assert [a["area"] for a in given] == pytest.approx([a["bbox"][2] * a["bbox"][3] * 0.53 for a in given])


def test_a_described_data_set_with_the_keypoints_of_coco_can_be_trained_on(
    tiny: Path, people: TrainingData, tmp_path: Path
) -> None:
    described = {"name": "mine", "annotations": str(people.annotations), "images": str(people.images)}
    described |= {"keypoints": list(COCO.keypoints), "sigmas": list(COCO.sigmas)}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(described))
    data = training_data(path)
    np.testing.assert_array_equal(data.labelled, people.labelled)
    assert train(tiny, data, tmp_path / "run", data, Settings(epochs=1, batch_size=2), workers=0).is_file()


def test_mmpose_is_given_what_was_read(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    """The same persons, crops and labels as from the file itself, whose areas and visibilities stay too."""
    from mmpose.registry import DATASETS

    from occbench.training import build_config

    loader = build_config(tiny, people, people, Settings(), workers=0).train_dataloader
    ours = DATASETS.build({**loader.dataset, "pipeline": []})
    theirs = DATASETS.build({**loader.dataset, "pipeline": [], "ann_file": str(people.annotations)})
    assert len(ours) == len(theirs) == len(people.labelled)
    for i in range(len(ours)):
        a, b = ours.get_data_info(i), theirs.get_data_info(i)
        assert a["id"] == b["id"]
        assert Path(a["img_path"]) == Path(b["img_path"])
        for name in ("bbox", "keypoints", "keypoints_visible", "area", "num_keypoints"):
            np.testing.assert_array_equal(a[name], b[name])


def test_what_was_written_for_mmpose_goes_with_the_data(people: TrainingData) -> None:
    data = training_data(people.annotations)
    file = data.file
    assert file.is_file()
    del data
    gc.collect()
    assert not file.exists()
