"""`--boxes detector:...`: a detector is run, its boxes are kept, and the rest goes the way of a detections file."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.data.coco import read_coco
from occbench.data.matching import match_boxes
from occbench.data.persons import Photo
from occbench.evaluation.boxes import box_figures
from occbench.inference.detector import Detector
from occbench.jobs import detections

from ..command_line import draw_outlines
from ..detectors.conftest import CONFIG, WEIGHTS
from .conftest import Answer, Occbench, People, Refusal, TinyModel, assert_refused

Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: nothing was detected yet."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("OCCBENCH_CACHE", str(folder))
    return folder


def arguments(people: People, tiny: TinyModel, out: Path, *more: object) -> list[object]:
    return [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--device", "cpu", "--bootstrap", 0),
        *("--data", people.annotations, "--images", people.images, "--kind", "keypoint-blackout", "--target", "nose"),
        *("--out", out, *more),
    ]


BOXES = ("--boxes", f"detector:{CONFIG}", "--detector-checkpoint", WEIGHTS)


@pytest.fixture(scope="module")
def made(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first run and the cache after it; not to be changed."""
    from occbench.cli import main

    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        draw_outlines(patch)
        patch.setenv("OCCBENCH_CACHE", str(folder / "cache"))
        words = arguments(shared_people, tiny, folder / "first", *BOXES)
        patch.setattr(sys, "argv", ["occbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    return folder


@pytest.fixture
def first(made: Path, cache: Path, tmp_path: Path) -> Path:
    """The run whose boxes were detected, and the cache that it left: copies to spoil."""
    shutil.copytree(made / "cache", cache, dirs_exist_ok=True)
    return Path(shutil.copytree(made / "first", tmp_path / "first"))


@pytest.fixture
def attack(occbench: Occbench, shared_people: People, tiny: TinyModel, tmp_path: Path) -> Run:
    def run(name: str, *more: object) -> Answer:
        answer = occbench(*arguments(shared_people, tiny, tmp_path / name, *(more or BOXES)))
        assert answer.code == 0, answer.err
        return answer

    return run


def manifest(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return content


def test_the_boxes_are_matched_counted_and_scored(first: Path, shared_people: People) -> None:
    dataset = read_coco(shared_people.annotations, shared_people.images)
    found = json.loads((first / "detections.json").read_text())
    image, boxes, scores = (np.array([box[key] for box in found]) for key in ("image_id", "bbox", "score"))
    assert {box["category_id"] for box in found} == {1}
    matched = 0
    for photo in dataset.photos:
        here, persons = image == photo, dataset.truth.image == photo
        matched += int((match_boxes(boxes[here], scores[here], dataset.truth.bbox[persons]) >= 0).sum())
    assert matched > 0  # or nothing is tested
    about = manifest(first)["boxes"]
    counts = {"n": len(found), "matched": matched, "missed": 7 - matched, "unmatched": len(found) - matched}
    assert {name: about[name] for name in counts} == counts
    figures = box_figures(dataset.truth, image, boxes, scores)
    assert about["figures"]["ap"] == pytest.approx(figures.ap, abs=1e-6)
    assert about["source"] == "detector"
    assert about["detector"]["name"] == "rtmdet_mini"
    assert about["detector"]["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert about["sha256"] == hashlib.sha256((first / "detections.json").read_bytes()).hexdigest()
    report = (first / "report.html").read_text()
    said = (
        f"detector rtmdet_mini: {matched} matched, {counts['unmatched']} unmatched, left clean, {7 - matched} persons"
    )
    assert said in report
    assert f"box AP {figures.ap:.4f}" in report
    cells = pd.read_csv(first / "cells.csv")
    assert set(cells["boxes"]) == {"detector:rtmdet_mini"}
    assert manifest(first)["cells"][1]["n_attacked"] <= matched


@pytest.mark.usefixtures("with_report")
def test_it_is_the_same_as_a_file_of_these_boxes(attack: Run, first: Path, tmp_path: Path) -> None:
    attack("file", "--boxes", first / "detections.json")
    ours, theirs = (pd.read_csv(run / "cells.csv").drop(columns="boxes") for run in (first, tmp_path / "file"))
    pd.testing.assert_frame_equal(ours, theirs)
    of_file = manifest(tmp_path / "file")["boxes"]
    assert of_file["source"] == "detections"
    assert of_file["figures"] == manifest(first)["boxes"]["figures"]
    assert f"{of_file['missed']} persons missed; box AP" in (tmp_path / "file" / "report.html").read_text()


def test_the_second_time_they_are_read(
    attack: Run, first: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def built(*_: object, **__: object) -> None:
        raise AssertionError("a detector was built")

    monkeypatch.setattr(Detector, "__init__", built)
    attack("second")
    same = [(run / "cells.csv").read_bytes() for run in (first, tmp_path / "second")]
    assert same[0] == same[1]
    with pytest.raises(AssertionError, match="a detector was built"):  # other photos are other boxes
        attack("third", *BOXES, "--limit", 2)


def test_a_stopped_command_goes_on_where_it_was(
    attack: Run,
    first: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
    tmp_path: Path,
    shared_people: People,
    tiny: TinyModel,
    occbench: Occbench,
) -> None:
    shutil.rmtree(cache / "detections")
    asked: list[int] = []
    plain = detections.results_of

    def stopped(detector: Detector, photo: Photo) -> list[dict[str, Any]]:
        asked.append(photo.id)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(detector, photo)

    monkeypatch.setattr(detections, "results_of", stopped)
    assert occbench(*arguments(shared_people, tiny, tmp_path / "run", *BOXES)).code != 0
    (part,) = (cache / "detections").glob("*.part")
    part.write_bytes(part.read_bytes() + b'[2, [{"image_id"')  # a line that was cut off
    answer = attack("run")
    assert "detections of 1 of 3 photos are there already" in answer.err
    assert len(asked) == 4
    assert not list((cache / "detections").glob("*.part"))
    same = [(run / "detections.json").read_bytes() for run in (first, tmp_path / "run")]
    assert same[0] == same[1]


@pytest.mark.usefixtures("with_report")
def test_boxes_below_a_score_are_left_out(
    attack: Run, first: Path, occbench: Occbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scores = sorted(box["score"] for box in json.loads((first / "detections.json").read_text()))
    floor = round((scores[0] + scores[-1]) / 2, 3)
    left = sum(score >= floor for score in scores)
    assert 0 < left < len(scores)  # or nothing is tested
    monkeypatch.setattr(detections, "MANY", (len(scores) - 1) / 7)  # there are seven persons
    monkeypatch.setattr(detections, "SURE", floor)
    costs = f"{len(scores)} boxes for 7 persons, each of which costs as much as a person; --detector-score {floor:g}"
    assert f"{costs} would leave {left}" in attack("all").err
    assert "boxes for 7 persons" not in attack("some", *BOXES, "--detector-score", floor).err
    kept = json.loads((tmp_path / "some" / "detections.json").read_text())
    assert sorted(box["score"] for box in kept) == [score for score in scores if score >= floor]
    assert manifest(tmp_path / "some")["boxes"]["detector"]["min_score"] == floor
    assert set(pd.read_csv(tmp_path / "some" / "cells.csv")["boxes"]) == {f"detector:rtmdet_mini:{floor:g}"}
    assert f"rtmdet_mini from a score of {floor:g}" in (tmp_path / "some" / "report.html").read_text()
    assert occbench("verify", tmp_path / "some").code == 0


def test_a_run_verifies_without_the_cache_and_not_with_other_boxes(
    attack: Run, occbench: Occbench, cache: Path, tmp_path: Path
) -> None:
    attack("run", *BOXES, "--limit", 2)
    shutil.rmtree(cache)
    assert occbench("verify", tmp_path / "run").code == 0
    file = tmp_path / "run" / "detections.json"
    file.write_text(json.dumps(json.loads(file.read_text())[1:]))
    answer = occbench("verify", tmp_path / "run")
    assert answer.code != 0
    assert "detections.json was changed" in answer.out + answer.err


def test_photos_without_persons_are_looked_at_too(
    occbench: Occbench, people: People, tiny: TinyModel, tmp_path: Path
) -> None:
    content = json.loads(people.annotations.read_text())
    first = content["images"][0]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != first["id"]]
    people.annotations.write_text(json.dumps(content))
    answer = occbench(*arguments(people, tiny, tmp_path / "run", *BOXES))
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "run" / "detections.json").read_text())
    assert any(box["image_id"] == first["id"] for box in found)
    (people.images / first["file_name"]).unlink()
    assert_refused(occbench(*arguments(people, tiny, tmp_path / "other", *BOXES)), first["file_name"], "is missing")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """Serves a folder on the loopback: its address and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}", folder
    http.shutdown()
    thread.join()
    http.server_close()


def test_weights_are_fetched_verified_and_kept(
    attack: Run,
    occbench: Occbench,
    server: tuple[str, Path],
    shared_people: People,
    tiny: TinyModel,
    cache: Path,
    tmp_path: Path,
) -> None:
    address, folder = server
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    for name in (f"mini-{digest[:8]}.pth", "mini-00000000.pth"):
        shutil.copy(WEIGHTS, folder / name)
    boxes = BOXES[:3]
    wrong = arguments(shared_people, tiny, tmp_path / "wrong", *boxes, f"{address}/mini-00000000.pth")
    assert_refused(occbench(*wrong), "wrong checksum", "--detector-checkpoint FILE")
    assert not (tmp_path / "wrong").exists()
    attack("run", *boxes, f"{address}/mini-{digest[:8]}.pth")
    assert (cache / "checkpoints" / f"mini-{digest[:8]}.pth").is_file()
    (folder / f"mini-{digest[:8]}.pth").unlink()
    attack("again", *boxes, f"{address}/mini-{digest[:8]}.pth")


BAD = {
    "no name": (["--boxes", "detector:"], "names no detector", "occbench ls detectors"),
    "no colon": (["--boxes", "detector"], "names no detector"),
    "unknown": (["--boxes", "detector:rtmdt"], "unknown detector 'rtmdt'", "rtmdet"),
    "no config": (["--boxes", "detector:no/such.py"], "no detector config 'no/such.py'"),
    "no weights": (["--boxes", f"detector:{CONFIG}"], "no weights of model 'rtmdet_mini'", "--detector-checkpoint"),
    "weights of nothing": (["--detector-checkpoint", "x.pth"], "--detector-checkpoint is for --boxes detector:NAME"),
    "score of nothing": (["--detector-score", "0.5"], "--detector-score is for --boxes detector:NAME"),
    "missing weights": (
        ["--boxes", f"detector:{CONFIG}", "--detector-checkpoint", "none.pth"],
        "no checkpoint file 'none.pth'",
    ),
    "nobody": (
        [*BOXES, "--detector-score", "1"],
        "finds no person with a score of 1 or more",
        "lower --detector-score",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_detectors_are_one_line(
    refuses: Refusal, case: tuple[list[object], str], shared_people: People, tiny: TinyModel, tmp_path: Path
) -> None:
    more, *words = case
    refuses(arguments(shared_people, tiny, tmp_path / "run", *more), *words)


def test_the_detectors_are_listed(occbench: Occbench) -> None:
    lines = occbench("ls", "detectors").out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "cascade-rcnn", "faster-rcnn", "retinanet", "rtmdet"]
    rows = json.loads(occbench("ls", "detectors", "--json").out)
    assert [row["box AP"] for row in rows] == pytest.approx([0.403, 0.374, 0.365, 0.491])
    assert all(row["weights"] == "to be fetched" for row in rows)
