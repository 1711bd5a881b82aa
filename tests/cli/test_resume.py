"""The same command goes on; a run of other content is refused, whatever it is that is another one."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.cli import main
from occbench.data.persons import Photo
from occbench.estimators import crops
from occbench.estimators.pose_model import PoseModel
from occbench.reports.findings.compare import run_labels
from occbench.reports.reading.load import load_run
from occbench.system.errors import OccbenchError

from ..command_line import leave_out_report
from .conftest import Answer, Occbench, People, TinyModel, assert_refused


class Counter:
    """Crops that the model was asked for, and when to stop it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.crops = 0
        self.stop_after: int | None = None
        self.stop_with: BaseException = KeyboardInterrupt()
        predict = PoseModel.predict

        def counted(model: PoseModel, images: Any, crops: Any) -> Any:
            if self.stop_after is not None and self.crops + len(crops) > self.stop_after:
                raise self.stop_with
            self.crops += len(crops)
            return predict(model, images, crops)

        patch.setattr(PoseModel, "predict", counted)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def command(people: People, tiny: TinyModel, *options: object, target: str) -> list[object]:
    return [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations, "--json"),
        *("--kind", "keypoint-blackout", "--target", target, "--radius", 3, "--bootstrap", 20, "--batch-size", 1),
        *("--out", "run", *options),
    ]


def attack(occbench: Occbench, people: People, tiny: TinyModel, *options: object, target: str = "nose") -> Answer:
    return occbench(*command(people, tiny, *options, target=target))


def everything(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != ".lock"}


def files(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.stem != "manifest"}


@dataclass(frozen=True)
class Whole:
    """A run of two targets that nothing disturbed.

    Attributes:
        files: What is the same whenever it is made.
        crops: The model was asked for so many.
    """

    files: dict[str, bytes]
    crops: int


def make(people: People, tiny: TinyModel, folder: Path, target: str) -> int:
    """A run of these targets, ``run`` in a folder; how many crops the model was asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_report(patch)
        counter = Counter(patch)
        patch.setattr(sys, "argv", ["occbench", *map(str, command(people, tiny, target=target))])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return counter.crops


@pytest.fixture(scope="module")
def whole(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Made once for the tests that end like it."""
    folder = tmp_path_factory.mktemp("whole")
    crops = make(shared_people, tiny, folder, "nose,left_wrist")
    return Whole(files(folder / "run"), crops)


@pytest.fixture(scope="module")
def nose(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for the tests that begin with it."""
    folder = tmp_path_factory.mktemp("nose")
    make(shared_people, tiny, folder, "nose")
    return folder / "run"


@pytest.fixture
def run(nose: Path, tmp_path: Path) -> Path:
    """A copy to go on from, or to spoil."""
    return Path(shutil.copytree(nose, tmp_path / "run"))


def test_a_finished_run_is_not_computed_again(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter, tmp_path: Path
) -> None:
    first = json.loads(attack(occbench, people, tiny).out)
    assert (first["reused"], first["computed"]) == (0, 2)
    asked, before = counter.crops, files(tmp_path / "run")
    again = attack(occbench, people, tiny)
    assert counter.crops == asked
    assert again.err == "occbench: 2 of 2 cells are there already\n"
    second = json.loads(again.out)
    assert (second["reused"], second["computed"], second["again"]) == (2, 0, {})
    assert second["cells"] == first["cells"]
    assert files(tmp_path / "run") == before


def test_more_targets_cost_only_themselves_and_give_the_bytes_of_one_run(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter, run: Path, whole: Whole
) -> None:
    answer = attack(occbench, people, tiny, target="left_wrist")
    assert answer.code == 0
    assert 0 < counter.crops < whole.crops - 7  # neither the clean crops nor the nose
    assert files(run) == whole.files
    assert set(pd.read_csv(run / "cells.csv")["target"].dropna()) == {"nose", "left_wrist"}


@pytest.mark.parametrize("after", [1, 4, 8, 11])
def test_an_interrupted_run_goes_on_and_ends_as_if_nothing_had_been(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter, tmp_path: Path, whole: Whole, after: int
) -> None:
    run = tmp_path / "run"
    counter.stop_after = after
    stopped = attack(occbench, people, tiny, target="nose,left_wrist")
    assert stopped.code == 130
    assert stopped.err.endswith("occbench: interrupted\n")
    pieces = list(run.glob(".work/*/*.npz"))
    if pieces:
        assert json.loads((run / "manifest.json").read_text())["complete"] is False
    else:
        assert not run.exists()
    kept = sum(len(np.load(piece)["attacked"]) for piece in pieces)
    for piece in pieces:  # as an older occbench left them
        np.savez(piece, **{n: a for n, a in dict(np.load(piece)).items() if n not in ("stages", "visibility")})
    assert kept if after >= 7 else True  # the clean crops of at least one chunk
    counter.crops, counter.stop_after = 0, None
    assert attack(occbench, people, tiny, target="nose,left_wrist").code == 0
    assert files(run) == whole.files
    assert counter.crops <= whole.crops - min(kept, 4)


def test_out_of_memory_keeps_what_is_finished(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter
) -> None:
    counter.stop_after, counter.stop_with = 9, MemoryError("no memory for 9 crops")
    answer = attack(occbench, people, tiny)
    assert answer.code == 1
    assert "run keeps what is finished; the same command goes on" in answer.err
    assert "no memory" in answer.err
    counter.stop_after = None
    assert attack(occbench, people, tiny).code == 0


def test_a_photo_that_goes_bad_in_mid_run_keeps_what_is_finished(
    people: People, tiny: TinyModel, occbench: Occbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = crops.decode
    seen: list[str] = []

    def goes_bad(photo: Photo) -> np.ndarray:
        seen.append(photo.file_name)
        if seen.count("000002.jpg") > 1:  # once to try the backend
            raise OccbenchError(f"photo {photo.file_name!r} cannot be decoded")
        return decode(photo)

    with monkeypatch.context() as patch:
        patch.setattr(crops, "decode", goes_bad)
        answer = attack(occbench, people, tiny, "--workers", 0)
    assert answer.code == 2
    assert "run keeps what is finished; the same command goes on" in answer.err
    assert answer.err.endswith("occbench: photo '000002.jpg' cannot be decoded\n")
    assert attack(occbench, people, tiny).code == 0


def _more(path: Path, what: bytes = b" ") -> None:
    path.write_bytes(path.read_bytes() + what)


def _other_weights(people: People, model: TinyModel, patch: pytest.MonkeyPatch) -> None:
    import torch

    state = torch.load(model.weights, weights_only=True)
    torch.save(
        {name: value * 1 if value.is_floating_point() else value for name, value in state.items()}, model.weights
    )
    _more(model.weights, b"")


def _other_config(people: People, model: TinyModel, patch: pytest.MonkeyPatch) -> None:
    model.config.write_text(model.config.read_text().replace("flip_test=False", "flip_test=False, shift_heatmap=False"))


def _other_persons(people: People, model: TinyModel, patch: pytest.MonkeyPatch) -> None:
    content = json.loads(people.annotations.read_text())
    content["annotations"][0]["bbox"][2] -= 1
    people.annotations.write_text(json.dumps(content))


def _other_version(people: People, model: TinyModel, patch: pytest.MonkeyPatch) -> None:
    about = PoseModel.about_backend
    patch.setattr(PoseModel, "about_backend", lambda model: about(model) | {"version": "0.1"})


CONTENT = {
    "weights": (_other_weights, "other weights (weights_sha256 "),
    "config": (_other_config, "another config (config_sha256 "),
    "annotations": (lambda people, *_: _more(people.annotations), "other annotations (annotations_sha256 "),
    "persons": (_other_persons, "other boxes or keypoints (persons_sha256 "),
    "photos": (lambda people, *_: _more(people.images / "000001.jpg", b"\x00"), "other photos (photos_sha256 "),
    "engine": (lambda people, model, patch: patch.setattr("occbench.jobs.job.ENGINE", 99), "(engine 1, now 99)"),
    "backend": (_other_version, "another version of the backend (backend_version "),
}
"""By what decides predictions: how it becomes another one, and what is said then."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Runs that are finished and begun, for the tests after the one that made them."""
    return {finished: tmp_path_factory.mktemp("made") / "run" for finished in (True, False)}


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "begun"])
@pytest.mark.parametrize("what", CONTENT)
def test_a_run_of_other_content_is_refused_and_kept(
    people: People,
    tiny: TinyModel,
    occbench: Occbench,
    counter: Counter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: dict[bool, Path],
    what: str,
    finished: bool,
) -> None:
    model = TinyModel(tmp_path / "tiny.py", tmp_path / "tiny.pth")
    model.config.write_bytes(tiny.config.read_bytes())
    model.weights.write_bytes(tiny.weights.read_bytes())
    if not made[finished].exists():
        counter.stop_after = None if finished else 11
        assert attack(occbench, people, model, "--out", made[finished]).code == (0 if finished else 130)
        counter.stop_after = None
    shutil.copytree(made[finished], tmp_path / "run")
    before = everything(tmp_path / "run")
    assert any(name.startswith("predictions/" if finished else ".work/") for name in before)
    change, said = CONTENT[what]
    change(people, model, monkeypatch)
    for target in ("nose", "left_wrist"):  # also where nothing that is there is asked for again
        answer = attack(occbench, people, model, target=target)
        assert_refused(answer, "'run' holds a run that was measured with", said, "another folder", "--overwrite")
        assert everything(tmp_path / "run") == before
    advice = ("--overwrite",) if finished else ("--out", "other")
    assert attack(occbench, people, model, *advice).code == 0


def test_other_detections_of_one_name_are_refused(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    boxes = [
        {"image_id": person["image_id"], "category_id": 1, "bbox": person["bbox"], "score": 0.9}
        for person in json.loads(people.annotations.read_text())["annotations"]
    ]
    found = tmp_path / "found.json"
    found.write_text(json.dumps(boxes))
    assert attack(occbench, people, tiny, "--boxes", found).code == 0
    found.write_text(json.dumps(boxes[:-1]))
    assert_refused(attack(occbench, people, tiny, "--boxes", found), "other detections", "other boxes or keypoints")


def test_another_seed_is_refused_where_places_are_drawn(
    people: People, tiny: TinyModel, occbench: Occbench, run: Path
) -> None:
    answer = attack(occbench, people, tiny, "--seed", 1)  # only the draws of the intervals are others
    assert json.loads(answer.out)["reused"] == 2
    assert attack(occbench, people, tiny, "--placement", "jittered").code == 0
    before = everything(run)
    for placement in ("jittered", "centred"):
        answer = attack(occbench, people, tiny, "--seed", 1, "--placement", placement)
        assert_refused(answer, "another seed (seed 0, now 1)")
    assert everything(run) == before


def test_a_damaged_cell_that_is_not_asked_for_goes_and_is_named(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    attack(occbench, people, tiny, target="nose,left_wrist")
    path = tmp_path / "run" / "predictions" / "keypoint-blackout_left_wrist_r3.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    answer = attack(occbench, people, tiny)
    assert "keypoint-blackout_left_wrist_r3 is dropped: its file is damaged" in answer.err
    assert set(pd.read_csv(tmp_path / "run" / "cells.csv")["target"].dropna()) == {"nose"}


def test_retraining_goes_into_a_folder_of_its_own(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    command = [
        *("attack", "--model", tiny.config, "--data", people.annotations, "--kind", "keypoint-blackout", "--json"),
        *("--target", "nose", "--bootstrap", 0),
    ]
    made = []
    for name in ("partmix", "none"):
        weights = tmp_path / "trained" / name / "model.pth"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(tiny.weights.read_bytes())
        made.append(Path(json.loads(occbench(*command, "--checkpoint", weights).out)["out"]))
    assert [re.sub("[0-9a-f]{6}", "HASH", path.name) for path in made] == [
        "tiny@partmix-HASH-annotations-gt",
        "tiny@none-HASH-annotations-gt",
    ]
    named = occbench(*command, "--checkpoint", weights, "--name", "no augmentation")
    assert json.loads(named.out)["reused"] == 2
    assert json.loads((made[1] / "manifest.json").read_text())["name"] == "no augmentation"
    assert occbench(*command, "--checkpoint", weights).code == 0
    assert json.loads((made[1] / "manifest.json").read_text())["name"] == "no augmentation"
    assert run_labels([load_run(path) for path in made]) == [made[0].name, "no augmentation"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "swapped"])
def test_a_damaged_cell_is_computed_again(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter, run: Path, damage: str
) -> None:
    before = files(run)
    path = run / "predictions" / "keypoint-blackout_nose_r3.parquet"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[60] ^= 1
    elif damage == "swapped":
        content = bytearray((path.parent / "clean.parquet").read_bytes())
    path.write_bytes({"truncated": content[:-20], "empty": b""}.get(damage, content))
    answer = attack(occbench, people, tiny)
    assert answer.code == 0
    assert "the file is damaged: keypoint-blackout_nose_r3" in answer.err
    assert 0 < counter.crops <= 7
    assert files(run) == before


def test_scores_are_reused_only_for_the_same_scoring(
    people: People, tiny: TinyModel, occbench: Occbench, counter: Counter, run: Path
) -> None:
    scores = run / "scores" / "clean.json"
    before = scores.read_text()
    attack(occbench, people, tiny)
    assert scores.read_text() == before
    attack(occbench, people, tiny, "--bootstrap", 0)
    assert counter.crops == 0
    assert json.loads(scores.read_text())["identity"]["scoring"]["draws"] == 0


def test_a_run_of_an_old_occbench_is_kept(people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text('{"schema": 1, "occbench": "0.0.1"}')
    assert_refused(attack(occbench, people, tiny), "a run of an old occbench", "--overwrite")
    (tmp_path / "run" / "manifest.json").write_text('{"schema": 99, "occbench": "9.0"}')
    assert_refused(attack(occbench, people, tiny), "has schema 99", "use occbench 9.0 or newer")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.json"]
