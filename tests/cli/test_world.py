"""Fills beyond the thesis on the command line: runs, ranks, resuming, verifying, exports, sheets, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, DRAWN_FILLS, Attack, drawn_cutouts, make_suite
from occbench.data.coco import read_coco
from occbench.data.occluders import read_cutouts
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import Memory, run_cells
from occbench.inference.plan import Settings, plan
from occbench.runs.parquet import read_cell
from occbench.system.errors import OccbenchError

from .conftest import Occbench, People, Refusal, TinyModel

SUITE = make_suite(COCO, ["keypoint-world", "part-world"], ["nose", "left_arm"])


@pytest.fixture(scope="module")
def model(tiny: TinyModel) -> PoseModel:
    return PoseModel(tiny.config, tiny.weights, "cpu")


def predicted(model: PoseModel, people: People, **settings: object) -> dict[tuple[Attack, int], bytes]:
    """Keypoints of each cell and person, as bytes."""
    dataset = read_coco(people.annotations, people.images)
    sink, count = Memory(), int(str(settings.get("ranks", 1)))
    shares = [Settings(batch_size=2, rank=rank, **settings) for rank in range(count)]  # type: ignore[arg-type]
    for share in shares:
        run_cells(model, dataset.persons, SUITE, COCO, share, sink, people=dataset.people())
    found = {}
    for chunk in plan(dataset.persons, shares[0]):
        for attack in SUITE:
            piece = sink._pieces[attack, chunk.index]
            for i in range(len(chunk)):
                found[attack, chunk.start + i] = piece.rows(slice(i, i + 1)).keypoints.tobytes()
    return found


@pytest.mark.parametrize("scope", ["person", "image"])
def test_ranks_and_threads_give_the_same_bytes(model: PoseModel, shared_people: People, scope: str) -> None:
    alone = predicted(model, shared_people, scope=scope, workers=0)
    assert alone == predicted(model, shared_people, scope=scope, workers=2, ranks=2)
    other = predicted(model, shared_people, scope=scope, workers=0, seed=1)
    for attack in SUITE:
        same = all(alone[key] == other[key] for key in alone if key[0] == attack)
        assert same == (attack.fill not in DRAWN_FILLS), attack


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two cut-outs, a picture without alpha, and a note."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for cutout in drawn_cutouts().all[:2]:
        cv2.imwrite(str(folder / f"{cutout.name}.png"), cutout.picture)
    cv2.imwrite(str(folder / "flat.png"), np.zeros((5, 5, 3), np.uint8))
    (folder / "LICENSE.txt").write_text("Drawn by hand;\nno rights reserved.")
    return folder


def test_a_run_from_end_to_end(
    occbench: Occbench, tiny: TinyModel, people: People, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations),
        *("--images", people.images, "--kind", "part-world,part-meanout", "--target", "left_arm", "--scope", "image"),
        *("--occluders", pictures, "--bootstrap", "20", "--batch-size", "4", "--out", out),
    ]
    answer = occbench(*command)
    assert answer.code == 0, answer.err
    assert "1 of 3 occluders are left out" in answer.err
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["occluders"]["n"] == 2
    assert manifest["occluders"]["licence"] == "LICENSE.txt: Drawn by hand; no rights reserved."
    object_ = read_cell(out / "predictions" / "part-object_left_arm.parquet")
    assert (object_.pixels[object_.attacked, 0] > 0).all()
    assert not read_cell(out / "predictions" / "part-noise_left_arm.parquet").pixels.any()
    errors = pd.read_csv(out / "errors.csv")
    assert set(errors["fill"].dropna()) == {"meanout", "noise", "inpaint", "person", "object"}
    shares = pd.read_csv(out / "shares.csv")
    assert shares.loc[shares["fill"] == "object", "beyond"].notna().any()
    again = occbench(*command)
    assert "6 of 6 cells are there already" in again.err
    assert occbench("verify", out).code == 0
    shutil.rmtree(out / "predictions")  # of everything but the photos
    exported = tmp_path / "attacked"
    assert occbench("export", out, "--attacked-images", exported).code != 0
    assert occbench(*command).code == 0
    answer = occbench("export", out, "--attacked-images", exported, "--model", tiny.config)
    assert answer.code == 0, answer.err
    photo = next((exported / "part-object_left_arm" / "images").iterdir())
    mask = cv2.imread(str(exported / "part-object_left_arm" / "masks" / photo.name), cv2.IMREAD_GRAYSCALE)
    clean = cv2.imread(str(exported / "clean" / "images" / photo.name))
    changed = (cv2.imread(str(photo)) != clean).any(2)
    assert changed[mask > 0].mean() > 0.8
    shutil.move(pictures, tmp_path / "elsewhere")
    refused = occbench("export", out, "--attacked-images", tmp_path / "no", "--model", tiny.config)
    assert refused.code == 2
    other = [*command[: command.index("--occluders")], *command[command.index("--occluders") + 2 :]]
    refused = occbench(*other)
    assert refused.code == 2
    assert "other occluders" in refused.err


def test_a_sheet(occbench: Occbench, tiny: TinyModel, people: People, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    given = ("--data", people.annotations, "--images", people.images, "--model", tiny.config, "--n", 2, "--out", sheet)
    answer = occbench("preview-attacks", *given, "--kind", "part-world,keypoint-object", "--target", "left_arm,nose")
    assert answer.code == 0, answer.err
    assert cv2.imread(str(sheet)).std() > 10


def test_bad_input(refuses: Refusal, people: People, tmp_path: Path, no_model: None) -> None:
    given = ("attack", "--model", "hrnet-mini", "--data", people.annotations, "--images", people.images)
    empty = tmp_path / "empty"
    empty.mkdir()
    refuses([*given, "--kind", "part-object", "--occluders", tmp_path / "none"], "--occluders", "cannot be read")
    refuses([*given, "--kind", "part-object", "--occluders", empty], "no cut-out that can be used")
    refuses([*given, "--kind", "part-noise", "--occluders", empty], "--occluders is for fill object")
    refuses([*given, "--kind", "part-worlds"], "part-world")
    content = json.loads(people.annotations.read_text())
    content["annotations"] = content["annotations"][:1]
    people.annotations.write_text(json.dumps(content))
    refuses([*given, "--kind", "part-person"], "fill person", "choose another fill")


def test_cutouts_of_a_folder(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found = read_cutouts(pictures, said.append)
    assert [cutout.name for cutout in found.all] == ["ball", "book"]
    assert "flat.png" in said[0]
    (pictures / "LICENSE.txt").unlink()
    assert read_cutouts(pictures, said.append).licence is None
    assert "licence" in said[-1]
    (pictures / "cutouts.json").write_text(json.dumps([{"file": "ball.png", "image_license": 3}] * 2))
    assert read_cutouts(pictures).licence == "cutouts.json: image_license 3 (2)"
    large = np.dstack([np.full((1500, 900, 3), 200, np.uint8), np.zeros((1500, 900), np.uint8)])
    large[100:1400, 100:800, 3] = 255
    (tmp_path / "large").mkdir()
    cv2.imwrite(str(tmp_path / "large" / "large.png"), large)
    (cutout,) = read_cutouts(tmp_path / "large").all
    assert cutout.picture.shape == (512, round(700 * 512 / 1300), 4)  # trimmed, then shrunk
    assert (cutout.picture[5:-5, 5:-5] == (200, 200, 200, 255)).all()
    (tmp_path / "large" / "large.png").write_bytes(b"no picture")
    with pytest.raises(OccbenchError, match="cannot be decoded"):
        read_cutouts(tmp_path / "large")
