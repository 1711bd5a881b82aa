"""A described data set of twelve keypoints goes all the way, through every command that opens a run."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import yaml  # type: ignore[import-untyped]

from occbench.attacks import COCO
from occbench.reports.page.serve import make_server

from ..command_line import draw_outlines, leave_out_report
from .conftest import Answer, Occbench, People, TinyModel, assert_refused
from .own_data import KEPT, own_model, own_set


@pytest.fixture(scope="module")
def made(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the set, the model and two runs over it, which has moved since: only relative paths still hold."""
    import sys

    from occbench.cli import main

    folder = tmp_path_factory.mktemp("own") / "first"
    data = own_set(folder / "cranes", shared_people)
    config, weights = own_model(folder / "model", tiny)
    other = folder / "model" / "other.pth"
    _changed(weights, other)
    for name, checkpoint, scope in (("run", weights, "image"), ("other", other, "image")):
        command = [
            *("occbench", "attack", "--model", config, "--checkpoint", checkpoint, "--data", data, "--scope", scope),
            *("--kind", "part-blackout,keypoint-blur", "--target", "left_wing,left_wing_tip", "--bootstrap", 20),
            *("--out", folder / name),
        ]
        with pytest.MonkeyPatch.context() as patch:
            draw_outlines(patch)
            if name == "other":
                leave_out_report(patch)
            patch.setattr(sys, "argv", [str(word) for word in command])
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code in (0, None)
    return folder.rename(folder.with_name("second"))


def _changed(weights: Path, other: Path) -> None:
    import torch

    state = torch.load(weights, weights_only=True)
    torch.save({name: value + 0.01 if value.is_floating_point() else value for name, value in state.items()}, other)


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(made, tmp_path / "moved")
    return tmp_path / "moved"


@pytest.fixture
def alone(own: Path) -> Path:
    """The same without the description, which a run does not need any more."""
    (own / "cranes" / "cranes.yaml").unlink()
    return own


def attack(occbench: Occbench, own: Path, target: str = "left_wing", out: str = "run") -> Answer:
    return occbench(
        *("attack", "--model", own / "model" / "own.py", "--checkpoint", own / "model" / "own.pth", "--json"),
        *("--data", own / "cranes" / "cranes.yaml", "--kind", "part-blackout", "--target", target),
        *("--scope", "image", "--bootstrap", 20, "--out", own / out),
    )


def test_the_manifest_keeps_what_the_run_needs(made: Path) -> None:
    manifest = json.loads((made / "run" / "manifest.json").read_text())
    assert manifest["skeleton"]["keypoints"] == list(KEPT.values())
    assert list(manifest["skeleton"]["parts"]) == ["left_wing", "right_wing", "legs"]
    assert ["left_foot", "right_foot"] in manifest["skeleton"]["flip_pairs"]
    assert manifest["metric"] == "AP"
    data = manifest["data"]
    first = made.with_name("first")
    assert Path(data["description"]) == first / "cranes" / "cranes.yaml"
    assert Path(data["annotations"]) == first / "cranes" / "annotations" / "val.json"
    assert data["relative"]["annotations"] == "../cranes/annotations/val.json"


def test_verify(alone: Path, occbench: Occbench) -> None:
    answer = occbench("verify", alone / "run")
    assert (answer.code, answer.err) == (0, "")
    assert "is intact" in answer.out


def test_verify_where_files_have_moved(
    own: Path, occbench: Occbench, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own / "run"
    shutil.move(own / "run", own / "deeper" / "run")
    path = own / "deeper" / "run"
    monkeypatch.setattr("occbench.runs.source._found", lambda *_: None)  # neither absolute nor relative
    assert_refused(occbench("verify", path), "val.json", "not there any more", "--data")
    for data in (own / "cranes" / "cranes.yaml", own / "cranes" / "annotations" / "val.json"):
        assert occbench("verify", path, "--data", data).code == 0
    changed = own / "cranes" / "annotations" / "val.json"
    changed.write_text(changed.read_text() + " ")
    assert_refused(occbench("verify", path, "--data", changed), "its sha256 differs", "--data")


def test_compare(alone: Path, occbench: Occbench) -> None:
    answer = occbench("compare", alone / "run", alone / "other", "--out", alone / "compared", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["compared"]
    assert (alone / "compared").is_dir()


def test_compare_refuses_other_sigmas(own: Path, occbench: Occbench) -> None:
    path = own / "cranes" / "cranes.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"sigmas": [0.2] * 12}, sort_keys=False))
    assert attack(occbench, own, out="loose").code == 0
    assert_refused(occbench("compare", own / "run", own / "loose"), "has other data than")


def test_report(alone: Path, occbench: Occbench) -> None:
    assert occbench("report", alone / "run").code == 0
    assert "cranes" in (alone / "run" / "report.html").read_text()
    assert occbench("verify", alone / "run").code == 0
    assert occbench("report", alone / "run", alone / "other", "--out", alone / "both").code == 0


def test_view(alone: Path) -> None:
    with make_server(alone / "run", 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://localhost:{server.server_address[1]}/report.html") as answer:
            assert b"cranes" in answer.read()
        server.shutdown()


@pytest.mark.parametrize("form", ["coco", "csv", "parquet", "latex"])
def test_export(alone: Path, occbench: Occbench, form: str) -> None:
    assert occbench("export", alone / "run", "--format", form, "--out", alone / form).code == 0
    if form == "coco":
        assert all(len(one["keypoints"]) == 36 for one in json.loads((alone / form / "clean.json").read_text()))


def test_exported_photos_and_annotations_can_be_evaluated(alone: Path, occbench: Occbench) -> None:
    config = alone / "model" / "own.py"
    done = occbench("export", alone / "run", "--attacked-images", alone / "attacked", "--model", config)
    assert done.code == 0, done.err
    assert occbench("export", alone / "run", "--out", alone / "results").code == 0
    cells = pd.read_csv(alone / "run" / "cells.csv")
    clean = cells[(cells["level"] == "clean") & (cells["keypoint"] == "all")].iloc[0]
    for slug in ("clean", "part-blackout_left_wing"):
        answer = occbench(
            *("evaluate", "--data", alone / "attacked" / slug / "annotations.json", "--json", "--bootstrap", 0),
            *("--predictions", alone / "results" / f"{slug}.json"),
        )
        assert answer.code == 0, answer.err
        rows = pd.DataFrame(json.loads(answer.out))
        assert set(KEPT.values()) < set(rows["keypoint"])
        if slug == "clean":
            assert clean["ap"] > 0.3
            assert rows[rows["keypoint"] == "all"]["ap"].iloc[0] == pytest.approx(clean["ap"], abs=1e-6)


def test_attack_goes_on(own: Path, occbench: Occbench) -> None:
    first = attack(occbench, own, "left_wing,legs")
    assert first.code == 0, first.err
    summary = json.loads(first.out)
    assert (summary["reused"], summary["computed"]) == (2, 1)


@pytest.mark.parametrize(
    "change", [{"parts": {"left_wing": ["left_wing_bend", "left_wing_tip"]}}, {"sigmas": [0.1] * 12}]
)
def test_other_parts_or_sigmas_are_another_run(own: Path, occbench: Occbench, change: dict[str, object]) -> None:
    path = own / "cranes" / "cranes.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change, sort_keys=False))
    before = (own / "run" / "cells.csv").read_bytes()
    assert_refused(attack(occbench, own), "other keypoints, parts or sigmas", "--overwrite")
    assert (own / "run" / "cells.csv").read_bytes() == before


def test_a_changed_description_of_the_model_is_another_config(own: Path, occbench: Occbench) -> None:
    info = own / "model" / "cranes_info.py"
    info.write_text(info.read_text() + "# changed\n")
    assert_refused(attack(occbench, own), "another config")


def test_coco_names_with_parts_of_ones_own_go_with_coco_models(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from occbench.weights.zoo import find_model

    about = {
        "name": "mine",
        "annotations": str(people.annotations),
        "images": str(people.images),
        "keypoints": list(COCO.keypoints),
        "sigmas": list(COCO.sigmas),
        "parts": {"eyes": ["left_eye", "right_eye"]},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(about, sort_keys=False))
    from occbench.data.custom import read_custom

    find_model("hrnet").require_keypoints_of(read_custom(path).skeleton)
    answer = occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", path, "--kind", "part-blur"),
        *("--target", "eyes", "--bootstrap", 0, "--json", "--out", "run"),
    )
    assert answer.code == 0, answer.err
    assert occbench("verify", "run").code == 0
