"""``occbench train`` and ``occbench preview-aug``: what they print, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from ..augmentations.conftest import TINY
from .conftest import Occbench, People, Refusal, assert_refused


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(TINY)
    return path


def test_a_training_a_plan_and_a_resumed_one(occbench: Occbench, config: Path, people: People, tmp_path: Path) -> None:
    given = ["--model", config, "--data", people.annotations, "--aug", "partmix,cutout-part", "--removal"]
    given += ["--epochs", "2", "--batch-size", "2", "--workers", "0", "--aug-p", "0.4"]
    content = json.loads(people.annotations.read_text())
    content["annotations"][0]["area"] = 0
    (tmp_path / "val.json").write_text(json.dumps(content))
    val = ["--val", tmp_path / "val.json", "--val-images", people.images]
    plan = occbench("train", *given, *val, "--dry-run")
    assert plan.code == 0
    warning = "occbench: warning: --val: 1 person has area 0 (annotation 10)"
    assert warning in plan.err
    assert "> TopdownAffine > PartMix > TargetedCutout > GenerateTarget >" in plan.out
    assert not (tmp_path / "runs").exists()
    done = occbench("train", *given, *val)
    out = tmp_path / "runs" / "train-tiny-partmix+cutout-part-0"
    assert (done.code, done.out) == (0, f"{out.relative_to(tmp_path) / 'model.pth'}\n")
    assert "tensorboard" in done.err or list(out.glob("**/events.out.tfevents*"))
    assert warning in done.err
    findings = json.loads((out / "training.json").read_text())["findings"]
    assert [finding["kind"] for finding in findings["val"] if finding["severity"] == "warning"] == ["area-0"]
    losses = [float(value) for value in re.findall(r"epoch \d of 2: loss (\S+)", done.err)]
    assert len(losses) == 2
    assert all(0 < loss < 0.1 for loss in losses)  # mean squared errors of heatmaps from 0 to 1
    assert re.search(r"validation after epoch 2: coco/AP \d\.\d{3}\n", done.err)
    assert "UserWarning" not in done.err
    before = (out / "model.pth").read_bytes()
    again = occbench("train", *given, *val, "--out", out, "--resume")
    assert again.code == 0
    assert (out / "model.pth").read_bytes() == before
    changed = occbench("train", *given, *val, "--out", out, "--resume", "--decoys", "1")
    assert_refused(changed, "was trained with other settings: the augmentation was {", "--resume needs the same ones")
    assert_refused(occbench("train", *given, *val, "--strict"), "1 person has area 0", "(--strict)")
    assert_refused(occbench("train", *given, "--out", out), "holds a training already", "--resume")
    attack = ["--model", config, "--checkpoint", out / "model.pth", "--data", people.annotations, "--bootstrap", "0"]
    attacked = occbench("attack", *attack, "--kind", "part-blur", "--target", "head", "--out", tmp_path / "attacked")
    assert attacked.code == 0, attacked.err
    recipe = json.loads((tmp_path / "attacked" / "manifest.json").read_text())["model"]["augmentation"]
    shared = {"level": "part", "removal": True, "p": 0.4, "decoys": 0, "seed": 0}
    assert recipe == {"name": "partmix,cutout-part", **shared}


def test_what_train_refuses(refuses: Refusal, config: Path, people: People, tmp_path: Path) -> None:
    data = ["--data", people.annotations]
    refuses(["train", *data, "--aug", "partmx"], "unknown augmentation 'partmx'", "did you mean partmix")
    refuses(["train", *data, "--aug", "partmix", "--aug-p", "1.01"], "--aug-p", "from 0 to 1", "1.01")
    refuses(["train", *data, "--aug", "cutout-keypoint", "--removal"], "--removal", "cutout-keypoint", "learn from it")
    refuses(["train", *data, "--removal"], "--removal", "need an augmentation")
    refuses(["train", *data, "--launcher", "mpi"], "unknown launcher 'mpi'")
    refuses(["train", *data, "--resume"], "--out is needed with --resume")
    refuses(["train", *data, "--model", "hrnt"], "unknown model 'hrnt'")
    refuses(["train", *data, "--init", "imagenet", "--batch-size", "2"], "names no pretrained weights", "--init none")
    refuses(["train", *data, "--amp", "--bf16"], "--amp and --bf16 exclude each other")
    refuses(["train", "--data", tmp_path / "no.json"], "does not exist")
    content = json.loads(people.annotations.read_text())
    nobody = tmp_path / "nobody.json"
    nobody.write_text(json.dumps({**content, "annotations": []}))
    refuses(["train", *data, "--val", nobody, "--val-images", people.images], "nobody.json", "no person with labelled")
    for annotation in content["annotations"]:
        annotation["keypoints"][2::3] = [2, 2, *[0] * 15]
    eyes = tmp_path / "eyes.json"
    eyes.write_text(json.dumps(content))
    parts = ["train", "--model", config, "--data", eyes, "--images", people.images, "--batch-size", "2"]
    refuses([*parts, "--aug", "partmix"], "PartMix needs two persons", "eyes.json", "head 0")


def test_a_contact_sheet(occbench: Occbench, config: Path, people: People, tmp_path: Path) -> None:
    given = ["--model", config, "--data", people.annotations, "--n", "3", "--out", tmp_path / "sheet.png"]
    done = occbench("preview-aug", *given)
    assert (done.code, done.out) == (0, f"{tmp_path / 'sheet.png'}\n")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 2000  # nine columns
    assert occbench("preview-aug", *given, "--aug", "cutout-part", "--removal", "--seed", "2").code == 0
    few = cv2.imread(str(tmp_path / "sheet.png"))
    assert few is not None
    assert few.shape[1] < 800
    red, green = (few == (0x30, 0x3B, 0xFF)).all(-1).sum(), (few == (0x3D, 0xF5, 0x3D)).all(-1).sum()
    assert red >= 20  # labels that were removed
    assert green >= 200
    again = np.array(few)
    assert occbench("preview-aug", *given, "--aug", "cutout-part", "--removal", "--seed", "2").code == 0
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "sheet.png")), again)


def test_what_preview_refuses(refuses: Refusal, people: People, tmp_path: Path) -> None:
    data = ["preview-aug", "--data", people.annotations]
    refuses([*data, "--aug", "blur"], "unknown augmentation 'blur'")
    refuses([*data, "--aug", "blur-keypoint", "--removal"], "--removal does not go with blur-keypoint")
    refuses([*data, "--aug-p", "2"], "from 0 to 1, but got 2")
    refuses([*data, "--aug", "cutout-part", "--n", "1", "--out", people.images], "cannot write", "images")
