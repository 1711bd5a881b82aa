"""`--redetect`: the detector sees the attacked photos, and the loss is split between boxes and pose.

The detector here is a stub that knows the annotated boxes and sees what is painted over them; only tests have it. What
a real one does is at the end, with the small RTMDet that was trained on synthetic people.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, Attack, Material
from occbench.cli import main
from occbench.data.coco import read_coco
from occbench.data.persons import DetectorFiles
from occbench.estimators.pose_model import PoseModel
from occbench.evaluation.bootstrap import Weights, compare, prepare, resample
from occbench.inference import detector as detector_module
from occbench.inference.engine import predict_cells
from occbench.inference.plan import Settings
from occbench.inference.results import to_detections
from occbench.jobs.redetect import Redetection
from occbench.runs.parquet import read_cell
from occbench.system.distributed import Ranks
from occbench.system.progress import Progress
from occbench.tables.redetected import with_boxes

from ..command_line import leave_out_report
from ..detectors.conftest import CONFIG, WEIGHTS
from .conftest import Answer, Occbench, People, Refusal, TinyModel
from .test_resume import files

SLUGS = ["keypoint-blackout_nose_r5", "part-blackout_corpus_r5"]


class Stub:
    """Boxes of the annotated persons; the more is painted over one, the more it is cut off, and at last not found."""

    people: ClassVar[People]
    blind: ClassVar[bool] = False
    seen: ClassVar[int] = 0
    stop_after: ClassVar[int | None] = None

    def __init__(self, *_: Any, **__: Any) -> None:
        content = json.loads(self.people.annotations.read_text())
        self._photos = {i["id"]: cv2.imread(str(self.people.images / i["file_name"])) for i in content["images"]}
        self._boxes = [(a["image_id"], a["bbox"]) for a in content["annotations"]]

    def detect(self, photo: np.ndarray) -> np.ndarray:
        if Stub.stop_after is not None and Stub.seen >= Stub.stop_after:
            raise KeyboardInterrupt
        Stub.seen += 1
        painted = {i: (clean != photo).any(-1) for i, clean in self._photos.items() if clean.shape == photo.shape}
        which = min(painted, key=lambda i: painted[i].sum())
        if self.blind and painted[which].any():
            return np.empty((0, 5))
        found = []
        for n, (image, (x, y, w, h)) in enumerate(self._boxes):
            if image != which:
                continue
            lost = painted[which][int(y) : int(y + h), int(x) : int(x + w)].mean()
            if lost < 0.6:
                found.append([x, y + 0.6 * h * lost, x + w, y + h, 0.95 - 0.01 * n - 0.3 * lost])
        return np.array(sorted(found, key=lambda box: -box[4])).reshape(-1, 5)


@pytest.fixture(autouse=True)
def stub(
    shared_people: People, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Stub]]:
    """The stub in place of MMDet, and a cache of the test's own."""
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(detector_module, "Detector", Stub)
    Stub.people, Stub.blind, Stub.seen, Stub.stop_after = shared_people, False, 0, None
    yield Stub
    Stub.blind, Stub.stop_after = False, None


@pytest.fixture(scope="module")
def made(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of :func:`attack` after it; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OCCBENCH_CACHE", str(folder / "cache"))
        patch.setattr(detector_module, "Detector", Stub)
        patch.setattr(Stub, "people", shared_people, raising=False)
        leave_out_report(patch)
        patch.setattr(sys, "argv", ["occbench", *map(str, command(shared_people, tiny))])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of that run where :func:`attack` would have written it."""
    shutil.copy(made / "detector.pth", tmp_path)
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def attack(
    occbench: Occbench,
    people: People,
    tiny: TinyModel,
    *options: object,
    out: str = "run",
    target: str = "nose,corpus",
) -> Answer:
    return occbench(*command(people, tiny, *options, out=out, target=target))


def command(
    people: People, tiny: TinyModel, *options: object, out: str = "run", target: str = "nose,corpus"
) -> list[object]:
    weights = Path("detector.pth")
    weights.write_bytes(b"of the stub")
    return [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations),
        *("--images", people.images, "--boxes", f"detector:{CONFIG}", "--detector-checkpoint", weights),
        *("--kind", "keypoint-blackout,part-blackout", "--target", target, "--radius", 5, "--json"),
        *("--bootstrap", 40, "--batch-size", 1, "--scope", "image", "--redetect", "--out", out, *options),
    ]


def overall(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "split.csv").query("keypoint == 'all'").reset_index(drop=True)


def test_the_split_is_that_of_a_plain_loop(
    shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    """The exported photos, seen by the detector and then by the pose model as if nobody had attacked anything."""
    answer = attack(occbench, shared_people, tiny)
    assert answer.code == 0, answer.err
    export = ("export", "run", "--attacked-images", "photos", "--model", tiny.config)
    assert occbench(*export).code == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    split, cells = overall(tmp_path / "run"), pd.read_csv("run/cells.csv").query("keypoint == 'all'")
    assert split["target"].tolist() == ["nose", "corpus"]
    model, settings = PoseModel(tiny.config, tiny.weights), Settings(batch_size=1)
    model.use(
        "torch", sample=list(model.crops.cut_all(read_coco(shared_people.annotations, shared_people.images).persons))
    )
    moved = 0
    for slug, row, cell in zip(SLUGS, split.to_dict("records"), cells.to_dict("records")[1:], strict=True):
        found: list[dict[str, Any]] = []
        folder = tmp_path / "photos" / slug
        for image in json.loads((folder / "annotations.json").read_text())["images"]:
            boxes = Stub().detect(cv2.imread(str(folder / "images" / image["file_name"])))
            found += [
                {"image_id": image["id"], "category_id": 1, "bbox": [a, b, c - a, d - b], "score": s}
                for a, b, c, d, s in boxes.tolist()
            ]
        ours = json.loads((tmp_path / "run" / "redetect" / slug / "detections.json").read_text())
        assert ours == found
        path = tmp_path / "found.json"
        path.write_text(json.dumps(found))
        prepared = []
        for labels, images in (
            (shared_people.annotations, shared_people.images),
            (folder / "annotations.json", folder / "images"),
        ):
            data = with_boxes(read_coco(labels, images), path)
            (clean,), geometry = predict_cells(model, data.persons, [], COCO, settings)
            detections = to_detections(data, clean.keypoints, clean.scores, geometry[:, 2] * geometry[:, 3])
            prepared.append(prepare(data.truth, detections, data.sigmas))
        boxes_ap, both_ap = (found.figures[None].ap for found in prepared)
        base = manifest["backend"]["clean_ap"]
        clean_exact = pd.read_csv(tmp_path / "run" / "cells.csv")["ap_exact"].iloc[0]
        expected = [base, cell["ap"], boxes_ap, both_ap]
        names = ["clean", "attacked_photo", "attacked_boxes", "attacked_both"]
        np.testing.assert_allclose([row[name] for name in names], expected, atol=1e-9)
        exact = clean_exact, cell["ap_exact"], *(found.figures[None].exact for found in prepared)
        terms = [100 * (exact[0] - area) for area in exact[1:]]
        np.testing.assert_allclose([row["drop_pose"], row["drop_boxes"], row["drop_both"]], terms, atol=1e-7)
        assert row["drop_pose"] + row["drop_boxes"] + row["interaction"] == pytest.approx(row["drop_both"], abs=1e-7)
        assert row["drop_pose"] == pytest.approx(cell["drop"], abs=1e-7)
        counts = with_boxes(read_coco(shared_people.annotations, shared_people.images), path).box_counts()
        assert [row[f"{name}_attacked"] for name in ("matched", "missed", "unmatched")] == [
            *(counts.matched, counts.missed, counts.unmatched)
        ]
        assert manifest["redetect"][slug]["missed"] == counts.missed
        assert (row["matched_clean"], row["missed_clean"]) == (7, 0)
        moved += abs(row["drop_boxes"]) > 0
    assert moved, "the boxes must cost something, or this shows nothing"


def test_intervals_are_those_of_the_paired_bootstrap(tiny: TinyModel, occbench: Occbench, tmp_path: Path) -> None:
    """With enough persons: that of `both` is the interval of a drop between two cells, under the run's draws."""
    from occbench.data.synthetic import generate

    annotations = generate(9, 5, tmp_path / "more")
    people = People(annotations, annotations.parent / "images")
    Stub.people = people
    assert attack(occbench, people, tiny, "--bootstrap", 60, "--seed", 3).code == 0
    dataset = with_boxes(read_coco(people.annotations, people.images), tmp_path / "run" / "detections.json")
    again = with_boxes(dataset, tmp_path / "run" / "redetect" / SLUGS[1] / "detections.json")
    weights = Weights.draw(9, 60, rng=np.random.default_rng(3))
    cells = []
    for data, folder, slug in ((dataset, "", "clean"), (again, f"redetect/{SLUGS[1]}", SLUGS[1])):
        cell = read_cell(tmp_path / "run" / folder / "predictions" / f"{slug}.parquet")
        areas = pd.read_parquet(tmp_path / "run" / folder / "persons.parquet")["area"].to_numpy()
        found = to_detections(data, cell.keypoints, cell.scores, areas)
        cells.append(resample(prepare(data.truth, found, data.sigmas), weights))
    expected = compare(*cells)[0]
    row = overall(tmp_path / "run").iloc[1]
    assert expected.n >= 10
    got = row[["drop_both", "drop_both_lo", "drop_both_hi", "drop_both_se", "drop_both_p"]].to_numpy(dtype=float)
    want = [expected.drop, expected.drop_lo, expected.drop_hi, expected.drop_se, expected.p]
    np.testing.assert_allclose(got, want, rtol=1e-8)
    assert row[["interaction_lo", "drop_pose_lo", "drop_boxes_hi"]].notna().all()
    assert row["interaction_lo"] <= row["interaction"] <= row["interaction_hi"]


@dataclass(frozen=True)
class Threads(Ranks):
    """Processes that are threads."""

    barrier: Barrier | None = None

    def wait(self) -> None:
        if self.barrier is not None:
            self.barrier.wait(timeout=60)


@pytest.mark.parametrize("count", [1, 2])
def test_processes_share_the_detector_and_give_the_bytes_of_one(
    shared_people: People,
    tiny: TinyModel,
    run: Path,
    tmp_path: Path,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("occbench.jobs.redetect.PHOTOS_PER_PIECE", 1)
    expected = {k: v for k, v in files(tmp_path / "run").items() if k.startswith("redetect")}
    dataset = with_boxes(read_coco(shared_people.annotations, shared_people.images), tmp_path / "run/detections.json")
    detector = DetectorFiles("stub", CONFIG, "c" * 64, (), Path("w"), "w" * 64, False, None)
    attacks = [Attack("keypoint", "blackout", "nose", 5), Attack("part", "blackout", "corpus", 5)]
    context = {"detections_sha256": "d" * 64, "persons_sha256": "p" * 64, "config_sha256": "m" * 64}
    barrier = Barrier(count)
    out = tmp_path / "other"
    out.mkdir()

    models = [PoseModel(tiny.config, tiny.weights) for _ in range(count)]
    for model in models:
        model.crops.require(dataset.skeleton)  # reads a config, which CPython 3.11 cannot do in several threads

    def one(rank: int) -> Redetection:
        data = replace(dataset, detector=detector)
        settings = Settings(batch_size=1, workers=0, scope="image")
        job = Redetection(out, models[rank], Stub, data, data.people(), settings, context, Material())
        job.run(attacks, Threads(rank, count, barrier=barrier), Progress(False))
        return job

    with ThreadPoolExecutor(count) as pool:
        jobs = list(pool.map(one, range(count)))
    assert set(jobs[0].finish(attacks)) == set(SLUGS)
    found = {k: v for k, v in files(tmp_path / "other").items() if k.startswith("redetect")}
    assert found.keys() == expected.keys()
    for name in expected:
        if name.endswith("detections.json"):
            assert found[name] == expected[name]
        elif name.endswith(".parquet") and "predictions" in name:
            ours, theirs = read_cell(tmp_path / "other" / name), read_cell(tmp_path / "run" / name)
            np.testing.assert_allclose(ours.keypoints, theirs.keypoints, atol=1e-3)
            np.testing.assert_array_equal(ours.covered, theirs.covered)


@pytest.mark.parametrize("after", [4, 7])
def test_an_interrupted_detector_goes_on(
    shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path, after: int
) -> None:
    """Three photos clean, then three of each of two attacks, in pieces of one photo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("occbench.jobs.redetect.PHOTOS_PER_PIECE", 1)
        assert attack(occbench, shared_people, tiny).code == 0
        whole, Stub.seen = Stub.seen, 3  # the clean photos are in the cache
        Stub.stop_after = after
        assert attack(occbench, shared_people, tiny, out="other").code == 130
        assert list(tmp_path.glob("other/.work/boxes-*/*.json")) or after == 4
        Stub.stop_after = None
        assert attack(occbench, shared_people, tiny, out="other").code == 0
    assert files(tmp_path / "other") == files(tmp_path / "run")
    assert Stub.seen <= whole + 2  # the photo that was under way, under both attacks
    seen = Stub.seen
    assert attack(occbench, shared_people, tiny, out="other").code == 0
    assert Stub.seen == seen
    assert not (tmp_path / "other" / ".work").exists()


def test_other_targets_later_give_the_bytes_of_one_run(
    shared_people: People, tiny: TinyModel, occbench: Occbench, run: Path, tmp_path: Path
) -> None:
    both = files(tmp_path / "run")
    attack(occbench, shared_people, tiny, out="other", target="nose")
    assert len(overall(tmp_path / "other")) == 1
    seen = Stub.seen
    attack(occbench, shared_people, tiny, out="other", target="corpus")
    assert Stub.seen == seen + 3  # the attacked photos of the corpus, and none of the nose
    assert files(tmp_path / "other") == both


def test_the_split_is_sealed_and_verified(occbench: Occbench, run: Path, tmp_path: Path) -> None:
    assert occbench("verify", "run").code == 0
    shutil.copytree("run", "spoilt")
    table = tmp_path / "spoilt" / "split.csv"
    table.write_text(table.read_text().replace(",corpus,", ",corpus ,", 1))
    answer = occbench("verify", "spoilt")
    assert answer.code == 3
    assert "split.csv was changed" in answer.out
    from occbench.runs.manifest import reseal

    reseal(tmp_path / "spoilt")
    answer = occbench("verify", "spoilt")
    assert answer.code == 3
    assert "split.csv, line" in answer.out


def test_a_detector_that_then_finds_nobody_loses_everything(
    shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    Stub.blind = True
    assert attack(occbench, shared_people, tiny).code == 0
    row = overall(tmp_path / "run").iloc[1]
    assert json.loads((tmp_path / "run" / "redetect" / SLUGS[1] / "detections.json").read_text()) == []
    assert (row["matched_attacked"], row["missed_attacked"], row["attacked_both"]) == (0, 7, 0)
    assert row["drop_boxes"] == row["drop_both"]
    assert row["drop_both"] == pytest.approx(100 * row["clean"], abs=1)  # the exact area, within a step of AP's grid
    assert row["interaction"] == pytest.approx(-row["drop_pose"])
    assert occbench("verify", "run").code == 0


def test_what_redetection_needs(shared_people: People, tiny: TinyModel, refuses: Refusal, no_model: None) -> None:
    command = ("attack", "--model", tiny.config, "--data", shared_people.annotations, "--kind", "all", "--redetect")
    refuses(command, "--redetect", "--scope image", "--boxes detector:NAME")
    refuses([*command, "--scope", "image"], "--boxes detector:NAME")
    refuses([*command, "--boxes", f"detector:{CONFIG}"], "--scope image")


def test_a_run_without_is_another_run(shared_people: People, tiny: TinyModel, occbench: Occbench, run: Path) -> None:
    words = ["attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", shared_people.annotations]
    words += ["--boxes", f"detector:{CONFIG}", "--detector-checkpoint", "detector.pth", "--kind", "keypoint-blackout"]
    answer = occbench(*words, "--batch-size", 1, "--scope", "image", "--out", "run")
    assert answer.code == 2
    assert "redetect True" in answer.err


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the small detector has no weights here")
def test_a_real_detector_sees_the_attacked_photos(
    shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    answer = attack(occbench, shared_people, tiny, "--detector-checkpoint", WEIGHTS)
    assert answer.code == 0, answer.err
    split = overall(tmp_path / "run")
    assert (split["matched_clean"] > 0).all()
    clean = (tmp_path / "run" / "detections.json").read_bytes()
    assert (tmp_path / "run" / "redetect" / SLUGS[1] / "detections.json").read_bytes() != clean
    np.testing.assert_allclose(
        split["drop_pose"] + split["drop_boxes"] + split["interaction"], split["drop_both"], atol=1e-7
    )
    assert occbench("verify", "run").code == 0
