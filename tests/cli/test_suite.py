"""Estimators outside of this process: `--model "command:..."`, `occbench suite` and `evaluate --suite`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import drawn_cutouts

from .conftest import Answer as Said
from .conftest import Occbench, People, assert_refused

PROGRAM = """
import json, sys
from pathlib import Path
photos, annotations, out = map(Path, sys.argv[1:4])
truth = json.loads(annotations.read_text())
there = {image["id"] for image in truth["images"] if (photos / image["file_name"]).is_file()}
found = [{"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 1 / a["id"]}
         for a in truth["annotations"] if a["image_id"] in there and truth["info"]["attack"] is None or a["id"] % 2]
out.write_text(json.dumps(found))
print("calls", file=open(Path(__file__).with_suffix(".log"), "a"))
"""
"""Finds everybody in clean photos, and every second one in attacked ones."""

ATTACK = ("--kind", "part-blackout", "--target", "head,left_arm", "--bootstrap", 20)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM)
    return path


def command(script: Path) -> str:
    return f"command:{sys.executable} {script} {{photos}} {{annotations}} {{out}}"


def attack(occbench: Occbench, people: People, model: str, *options: object) -> Said:
    return occbench(
        "attack", "--model", model, "--data", people.annotations, "--images", people.images, *ATTACK, *options
    )


def cells(run: Path) -> pd.DataFrame:
    table = pd.read_csv(run / "cells.csv")
    return table[table["keypoint"] == "all"].set_index("target", drop=False)


def test_a_program_is_attacked_like_a_model(occbench: Occbench, people: People, script: Path) -> None:
    answer = attack(occbench, people, command(script), "--out", "run")
    assert answer.code == 0, answer
    table = cells(Path("run"))
    assert table["value"].iloc[0] == 1
    assert (table["value"].iloc[1:] < 1).all()
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["model"]["name"] == "mine"
    calls = [json.loads(Path("run/calls", f"{cell['slug']}.json").read_text()) for cell in manifest["cells"]]
    assert [call["exit_code"] for call in calls] == [0, 0, 0]
    assert occbench("verify", "run").code == 0


def test_a_program_that_is_killed_goes_on_cell_by_cell(
    occbench: Occbench, people: People, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from occbench.estimators.outside import Answer, Program, Request

    assert attack(occbench, people, command(script), "--out", "whole").code == 0
    log = script.with_suffix(".log")
    log.unlink()
    asked = Program.answer

    cells: list[str] = []

    def killed(self: Program, request: Request) -> Answer:
        cells.append(request.cell)
        if len(cells) == 3:
            raise KeyboardInterrupt
        return asked(self, request)

    monkeypatch.setattr(Program, "answer", killed)
    assert attack(occbench, people, command(script), "--out", "run").code == 130
    monkeypatch.setattr(Program, "answer", asked)
    assert attack(occbench, people, command(script), "--out", "run").code == 0
    assert len(log.read_text().splitlines()) == 3
    for name in ("cells.csv", "persons.parquet", "predictions/clean.parquet"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    assert len(list(Path("run/calls").iterdir())) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('"image_id": a["image_id"]', ('"image_id": 999', "images that the annotations do not have")),
        ("out.write_text(json.dumps(found))", ("", "wrote no file {out}")),
        ("json.dumps(found)", ("'{'", "results.json")),
        ("for a in truth", ("for a in 1 / 0 and truth", "ZeroDivisionError")),
    ],
)
def test_a_program_that_goes_wrong_gets_a_line(
    occbench: Occbench, people: People, script: Path, change: str, said: tuple[str, str]
) -> None:
    script.write_text(PROGRAM.replace(change, said[0]))
    answer = attack(occbench, people, command(script), "--out", "run")
    assert answer.code == 2
    assert said[1] in answer.err


def test_a_program_answers_for_the_photos_of_its_folder(occbench: Occbench, people: People, script: Path) -> None:
    """In a cell that leaves a photo alone this photo is not asked about."""
    record = json.loads(people.annotations.read_text())
    first = record["images"][0]["id"]
    for one in record["annotations"]:
        if one["image_id"] == first:
            one["keypoints"][: 5 * 3] = [0] * 15
    people.annotations.write_text(json.dumps(record))
    truth = "json.loads(annotations.read_text())"
    script.write_text(
        PROGRAM.replace(truth, f"json.loads(Path({str(people.annotations)!r}).read_text()) | {truth}['info']")
    )
    script.write_text(
        PROGRAM.replace(
            "out.write_text", f"found += [dict(found[0], image_id={first})] if found else []\nout.write_text"
        )
    )
    answer = attack(occbench, people, command(script), "--out", "run")
    assert answer.code == 2
    assert f"not in its folder (the first has image id {first})" in answer.err


def test_a_suite_goes_elsewhere_and_comes_back(occbench: Occbench, people: People, script: Path) -> None:
    data = ("--data", people.annotations, "--images", people.images)
    answer = occbench("suite", "out", *data, *ATTACK[:4])
    assert (answer.code, answer.out) == (0, "3 cells in out: images and annotations.json of each\n")
    (Path() / "results").mkdir()
    for cell in json.loads(Path("out/suite.json").read_text())["cells"]:
        sys_argv = (Path("out", cell, "images"), Path("out", cell, "annotations.json"), Path("results", f"{cell}.json"))
        exec_program(script, sys_argv)
    answer = occbench("evaluate", "--suite", "out", "--predictions", "results", "--out", "run", "--bootstrap", 20)
    assert answer.code == 0, answer
    assert attack(occbench, people, command(script), "--out", "direct").code == 0
    figures = ["value", "drop", "drop_lo", "drop_hi", "n"]
    pd.testing.assert_frame_equal(cells(Path("run"))[figures], cells(Path("direct"))[figures])
    assert (Path("run") / "report.html").is_file()
    assert occbench("verify", "run").code == 0

    Path("results/clean.json").unlink()
    assert_refused(
        occbench("evaluate", "--suite", "out", "--predictions", "results", "--out", "other"), "1 of 3 cells: clean.json"
    )
    assert_refused(occbench("evaluate", "--suite", "results", "--predictions", "results"), "no suite.json")
    assert_refused(occbench("suite", "out", *data, *ATTACK[:4]), "there already")


def test_a_suites_radii_may_go_with_the_crops_width(occbench: Occbench, people: People) -> None:
    data = ("--data", people.annotations, "--images", people.images)
    keypoint = ("--kind", "keypoint-blackout", "--target", "nose")
    assert occbench("suite", "shares", *data, *keypoint, "--radius", "0.03w").code == 0
    assert occbench("suite", "px", *data, *keypoint, "--radius", 0.03 * 192).code == 0
    (share,), (px,) = (
        [name for name in json.loads(Path(out, "suite.json").read_text())["cells"] if name != "clean"]
        for out in ("shares", "px")
    )
    for photo in sorted(Path("px", px, "images").iterdir()):
        assert Path("shares", share, "images", photo.name).read_bytes() == photo.read_bytes()


WORLD = ("--kind", "keypoint-world,part-object,part-person", "--target", "nose,left_arm", "--seed", 3)


def test_a_suite_has_every_fill_and_the_users_own_cutouts(occbench: Occbench, people: People, script: Path) -> None:
    """The photos are those that a program is given, and the results come back without the folder of the cut-outs."""
    data = ("--data", people.annotations, "--images", people.images)
    own = Path("own")
    own.mkdir()
    (own / "LICENSE").write_text("of one's own")
    for cutout in drawn_cutouts().all[:2]:
        cv2.imwrite(str(own / f"{cutout.name}.png"), np.ascontiguousarray(cutout.picture[:, ::-1]))
    (own / "broken.png").write_bytes(b"no picture")
    assert occbench("suite", "out", *data, *WORLD, "--occluders", own).code == 0
    assert sorted(path.name for path in Path("out/occluders").iterdir()) == ["LICENSE", "ball.png", "book.png"]
    seen = "[(photos / name).read_bytes().hex() for name in sorted(map(str, (p.name for p in photos.iterdir())))]"
    script.write_text(f"{PROGRAM}\nprint(json.dumps({seen}), file=open(Path(__file__).with_suffix('.seen'), 'a'))\n")
    program = ("--model", command(script), "--bootstrap", 20, "--occluders", own)
    assert occbench("attack", *program, *data, *WORLD, "--out", "direct").code == 0
    cells = json.loads(Path("out/suite.json").read_text())["cells"]
    assert len(cells) == 7
    lines = script.with_suffix(".seen").read_text().splitlines()
    for cell, line in zip(cells, lines, strict=True):
        written = {path.read_bytes().hex() for path in Path("out", cell, "images").iterdir()}
        assert set(json.loads(line)) <= written, cell
    assert len(set(lines)) == 7
    shutil.rmtree(own)
    Path("results").mkdir()
    for cell in cells:
        exec_program(
            script,
            (Path("out", cell, "images"), Path("out", cell, "annotations.json"), Path("results", f"{cell}.json")),
        )
    back = ("evaluate", "--suite", "out", "--predictions", "results", "--bootstrap", 20)
    assert_refused(occbench(*back, "--out", "run"), "drawn with seed 3: give --seed 3")
    assert occbench(*back, "--out", "run", "--seed", 3).code == 0
    assert Path("run/shares.csv").read_text().replace("results", "mine") == Path("direct/shares.csv").read_text()
    assert json.loads(Path("run/manifest.json").read_text())["occluders"]["licence"] == "LICENSE: of one's own"
    (Path("out/occluders/ball.png")).unlink()
    assert_refused(occbench(*back, "--out", "other", "--seed", 3), "were changed: write the suite again")
    assert_refused(occbench("suite", "plain", *data, *ATTACK[:4], "--occluders", "out/occluders"), "for fill object")


def exec_program(script: Path, arguments: tuple[Path, ...]) -> None:
    import subprocess

    subprocess.run([sys.executable, str(script), *map(str, arguments)], check=True)
