"""`occbench export --attacked-images`: the pixels of a run of scope image, for any other framework."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO
from occbench.estimators.pose_model import PoseModel
from occbench.runs.parquet import read_cell
from occbench.weights.zoo import find_model

from ..conftest import Real
from ..inference.mmpose_loop import mmpose_runner, outcome
from ..inference.test_against_mmpose import subset
from .conftest import Answer, Occbench, People, Refusal, TinyModel
from .test_scope import attack, detections

CELLS = ["clean", "part-meanout_corpus_r3", "part-meanout_head_r3"]


def export(occbench: Occbench, tiny: TinyModel, *options: object) -> Answer:
    return occbench("export", "run", "--attacked-images", "photos", "--model", tiny.config, *options)


def again(occbench: Occbench, tiny: TinyModel, cell: str, *options: object) -> Answer:
    """Our own engine on the exported photos, as any other framework: it knows of no attack."""
    return occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--batch-size", 1, "--bootstrap", 0),
        *("--data", f"photos/{cell}/annotations.json", "--images", f"photos/{cell}/images"),
        *("--kind", "keypoint-blackout", "--target", "nose", "--out", f"again/{cell}", *options),
    )


@pytest.mark.parametrize("boxes", ["gt", "detections", "jitter:0.1"])
def test_predictions_on_the_exported_photos_are_those_of_the_run(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path, boxes: str
) -> None:
    given = str(detections(people, tmp_path)) if boxes == "detections" else boxes
    assert attack(occbench, people, tiny, "--boxes", given).code == 0
    answer = export(occbench, tiny)
    assert answer.code == 0, answer.err
    assert answer.out == "3 cells in photos: images, masks and annotations.json of each\n"
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == CELLS
    table = pd.read_csv("run/cells.csv").query("keypoint == 'all'").fillna({"target": "clean"}).set_index("target")
    # The boxes of the run, as the results file that any framework reads.
    persons = pd.read_parquet("run/persons.parquet")
    found = [
        {
            "image_id": int(p.image_id),
            "category_id": 1,
            "score": p.score,
            "bbox": [p.x1, p.y1, p.x2 - p.x1, p.y2 - p.y1],
        }
        for p in persons.astype({"x1": float, "y1": float, "x2": float, "y2": float}).itertuples()
    ]
    Path("boxes.json").write_text(json.dumps(found))
    drops = []
    for target, cell in zip(("clean", "corpus", "head"), CELLS, strict=True):
        assert again(occbench, tiny, cell, "--boxes", given if boxes == "detections" else "boxes.json").code == 0
        ours = read_cell(Path(f"run/predictions/{cell}.parquet"))
        theirs = read_cell(Path(f"again/{cell}/predictions/clean.parquet"))
        np.testing.assert_allclose(theirs.keypoints, ours.keypoints, atol=1e-3 if boxes == "jitter:0.1" else 0)
        assert occbench("export", f"again/{cell}", "--format", "coco", "--out", f"results/{cell}").code == 0
        scored = occbench(
            *("evaluate", "--data", f"photos/{cell}/annotations.json", "--bootstrap", 0, "--json"),
            *("--predictions", f"results/{cell}/clean.json"),
        )
        assert scored.code == 0, scored.err
        row = table.loc[target]
        assert json.loads(scored.out)[0]["ap"] == pytest.approx(row["ap"], abs=1e-9)
        drops.append(row["drop"])
    assert max(abs(drop) for drop in drops[1:]) > 1, "nothing was lost, so nothing is shown"


def test_what_is_hidden_is_what_is_painted(people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path) -> None:
    attack(occbench, people, tiny, "--kind", "keypoint-blackout", "--placement", "decoys:2", "--target", "nose,head")
    assert export(occbench, tiny).code == 0
    original = {r["id"]: r for r in json.loads(people.annotations.read_text())["annotations"]}
    folders = sorted(path for path in (tmp_path / "photos").iterdir() if path.name != "clean")
    assert len(folders) == 3
    decoded = {int(p.stem): cv2.imread(str(p)) for p in (tmp_path / "photos" / "clean" / "images").iterdir()}
    for photo in json.loads(people.annotations.read_text())["images"]:
        expected = cv2.imread(str(people.images / photo["file_name"]))
        np.testing.assert_array_equal(decoded[photo["id"]], expected)
    for folder in folders:
        content = json.loads((folder / "annotations.json").read_text())
        assert content["info"]["attack"]["placement"] == "decoys:2"
        masks: dict[int, np.ndarray] = {}
        for image in content["images"]:
            clean, attacked = decoded[image["id"]], cv2.imread(str(folder / "images" / image["file_name"]))
            mask = cv2.imread(str(folder / "masks" / image["file_name"]), cv2.IMREAD_UNCHANGED)
            assert clean.shape == attacked.shape == (image["height"], image["width"], 3)
            assert set(np.unique(mask)) == {0, 255}
            np.testing.assert_array_equal(attacked[mask == 0], clean[mask == 0])
            assert (attacked[mask > 0] != clean[mask > 0]).any()
            masks[image["id"]] = mask > 0
        painted = {i: np.zeros_like(mask) for i, mask in masks.items()}
        for record in content["annotations"]:
            for name in ("image_id", "bbox", "keypoints", "area", "num_keypoints", "iscrowd"):
                assert record[name] == original[record["id"]][name]
            points = np.array(record["keypoints"], dtype=float).reshape(17, 3)
            x, y = np.rint(points[:, :2]).astype(int).T
            height, width = masks[record["image_id"]].shape
            there = (points[:, 2] > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
            inside = masks[record["image_id"]][y.clip(0, height - 1), x.clip(0, width - 1)]
            assert record["hidden"] == (there & inside).astype(int).tolist()
            level = content["info"]["attack"]["level"]
            target = COCO.indices(level, content["info"]["attack"]["target"])
            enough = (points[target, 2] > 0).sum() >= (1 if level == "keypoint" else 2)
            assert [r["on"] for r in record["regions"]].count("target") == enough
            for region in record["regions"]:
                _paint(painted[record["image_id"]], region)
        for image, mask in masks.items():
            np.testing.assert_array_equal(painted[image], mask)


def _paint(mask: np.ndarray, region: dict[str, Any]) -> None:
    x, y, width, height = region["bbox"]
    window = np.zeros_like(mask)
    window[y : y + height, x : x + width] = True
    if "radius" in region:
        rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
        far = (columns - region["center"][0]) ** 2 + (rows - region["center"][1]) ** 2
        window &= far <= region["radius"] ** 2 + 1e-9
    mask |= window


def test_what_cannot_be_exported_is_refused(
    people: People, tiny: TinyModel, occbench: Occbench, refuses: Refusal, tmp_path: Path
) -> None:
    attack(occbench, people, tiny)
    words = ["export", "run", "--attacked-images", "photos"]
    refuses(words, "'tiny'", "--model CONFIG.py")
    own = [*words, "--model", tiny.config]
    other = tmp_path / "other.py"
    other.write_text(tiny.config.read_text().replace("(48, 64)", "(96, 128)").replace("(12, 16)", "(24, 32)"))
    refuses([*words, "--model", other], "other crops")
    other.write_text(
        tiny.config.read_text().replace(
            "dict(type='GetBBoxCenterScale')", "dict(type='GetBBoxCenterScale', padding=1.5)"
        )
    )
    refuses([*words, "--model", other], "other crops")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    refuses(["export", "run", "--attacked-images", "full", "--model", tiny.config], "is there already")
    refuses(["export", "run", "--attacked-images", "full/thesis.tex/x", "--model", tiny.config], "cannot be written")
    photo = people.images / "000001.jpg"
    content = photo.read_bytes()
    photo.write_bytes(content + b"\x00")
    refuses(own, "are not those of the run", "--images")
    photo.unlink()
    refuses(own, "000001.jpg", "missing")
    photo.write_bytes(content)
    moved = tmp_path / "moved"
    shutil.move(people.images, moved)
    refuses(own, "missing")
    assert occbench(*own, "--images", moved).code == 0


def test_a_run_of_scope_person_has_no_attacked_photos(
    people: People, tiny: TinyModel, occbench: Occbench, refuses: Refusal
) -> None:
    attack(occbench, people, tiny, "--scope", "person")
    refuses(["export", "run", "--attacked-images", "photos", "--model", tiny.config], "scope person", "--scope image")


def test_a_full_disk_leaves_nothing(
    people: People, tiny: TinyModel, occbench: Occbench, refuses: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(occbench, people, tiny)
    written = 0
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        nonlocal written
        written += 1
        if written > 4:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    refuses(["export", "run", "--attacked-images", "photos", "--model", tiny.config], "No space left")
    assert written == 5


@pytest.mark.real
def test_mmpose_on_the_exported_photos_gives_the_figures_of_the_run(
    real: Real, occbench: Occbench, tmp_path: Path
) -> None:
    """MMPose's own test loop and CocoMetric, on real photos: another framework, which knows nothing of attacks."""
    name = "tinypose-128x96"
    annotations = subset(real, tmp_path, photos=10)
    answer = occbench(
        *("attack", "--model", name, "--checkpoint", real.weights(name), "--scope", "image", "--bootstrap", 0),
        *("--data", annotations, "--images", real.images, "--kind", "part-meanout,keypoint-blur"),
        *("--target", "left_arm,nose", "--out", "run"),
    )
    assert answer.code == 0, answer.err
    assert occbench("export", "run", "--attacked-images", "photos").code == 0
    table = pd.read_csv("run/cells.csv").query("keypoint == 'all'").fillna({"target": "clean"}).set_index("target")
    config = PoseModel(find_model(name).config_path, real.weights(name)).config
    for target, slug in (("left_arm", "part-meanout_left_arm"), ("nose", "keypoint-blur_nose")):
        folder, work = tmp_path / "photos" / slug, tmp_path / target
        work.mkdir()
        figures, poses = outcome(
            mmpose_runner(config, real.weights(name), folder / "annotations.json", folder / "images", work)
        )
        assert figures["coco/AP"] == pytest.approx(table.loc[target, "ap"], abs=5e-6)
        assert table.loc[target, "drop"] > 0
        ours = read_cell(tmp_path / "run" / "predictions" / f"{slug}.parquet")
        ids = pd.read_parquet("run/persons.parquet")["id"].tolist()
        for number, person in enumerate(ids):
            np.testing.assert_allclose(poses[person][:, :2], ours.keypoints[number], atol=0.05)
