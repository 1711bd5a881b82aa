"""`--pose-nms`: poses of boxes of the same person are merged before they are scored; and `occbench fit-nms`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.api.asked import pose_nms_rule
from occbench.data.coco import read_coco
from occbench.data.matching import with_detections
from occbench.data.persons import Dataset
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.pose_nms import RULES, PoseNms, pose_nms
from occbench.evaluation.types import Detections
from occbench.inference.results import merged_detections
from occbench.runs.parquet import read_cell

from .conftest import Answer, Occbench, People, Refusal, TinyModel

RULE = "alphapose:least=0.01"


@pytest.fixture(scope="module")
def detections(shared_people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boxes of everybody, of which the better scored one is the worse placed."""
    records = json.loads(shared_people.annotations.read_text())["annotations"]
    found = [
        {
            "image_id": record["image_id"],
            "category_id": 1,
            "bbox": [record["bbox"][0] + move, record["bbox"][1], record["bbox"][2], record["bbox"][3]],
            "score": score - 0.01 * i,
        }
        for move, score in ((2, 0.9), (0, 0.8))
        for i, record in enumerate(records)
    ]
    path = tmp_path_factory.mktemp("detections") / "twice.json"
    path.write_text(json.dumps(found))
    return path


def attack(occbench: Occbench, people: People, tiny: TinyModel, boxes: object, *options: object) -> Answer:
    return occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations),
        *("--images", people.images, "--boxes", boxes, "--kind", "part-blackout", "--target", "corpus"),
        *("--bootstrap", 40, "--out", "run", "--quiet", *options),
    )


def read(people: People, boxes: Path) -> Dataset:
    return with_detections(read_coco(people.annotations, people.images), boxes)


@pytest.mark.usefixtures("with_report")
def test_a_run_with_pose_nms(
    shared_people: People, tiny: TinyModel, detections: Path, occbench: Occbench, tmp_path: Path
) -> None:
    """Figures are those of the poses that a loop over the photos keeps; the run verifies, exports and rescores."""
    made = attack(occbench, shared_people, tiny, detections, "--scope", "image", "--pose-nms", RULE)
    assert made.code == 0, made.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["pose_nms"] == manifest["choices"]["pose_nms"] == RULE
    assert f"<dd>{RULE}</dd>" in (tmp_path / "run" / "report.html").read_text()

    data, cells = read(shared_people, detections), pd.read_csv("run/cells.csv").query("keypoint == 'all'")
    counts = []
    for slug, value in zip(("clean", "part-blackout_corpus"), cells["value"], strict=True):
        cell = read_cell(tmp_path / "run" / "predictions" / f"{slug}.parquet")
        image, poses, scores = [], [], []
        for photo in data.photos:
            here = [i for i, person in enumerate(data.persons) if person.photo.id == photo]
            boxes, worth = (np.array([getattr(data.persons[i], what) for i in here]) for what in ("box", "score"))
            kept = pose_nms(cell.keypoints[here], cell.scores[here], boxes.astype(float), worth, PoseNms.parse(RULE))
            image += [photo] * len(kept.scores)
            poses += list(kept.keypoints)
            scores += kept.scores.tolist()
        found = Detections(np.array(image), np.array(poses), np.array(scores))
        counts.append((slug, len(found)))
        assert value == pytest.approx(evaluate_cell(data.truth, found, data.sigmas, masks={None: None})[None].ap)
    assert counts[0][1] < len(data.persons)  # something was merged

    assert occbench("verify", "run").code == 0
    assert occbench("export", "run", "--format", "coco").code == 0
    for slug, count in counts:
        assert len(json.loads((tmp_path / "run-coco" / f"{slug}.json").read_text())) == count
    assert occbench("report", "--rescore", "run").code == 0
    pd.testing.assert_frame_equal(pd.read_csv("run/cells.csv").query("keypoint == 'all'"), cells)
    other = attack(occbench, shared_people, tiny, detections, "--scope", "image")
    assert other.code == 2  # a run under OKS-NMS is another one
    assert "pose_nms" in other.err


def test_what_was_merged_belongs_to_the_person_of_a_box_that_stands_for_somebody(
    shared_people: People, detections: Path
) -> None:
    """The better box of each person is matched to them; the other stands for nobody, even where its pose is kept."""
    data = read(shared_people, detections)
    owner = data.owners()
    poses = np.stack([shared.keypoints for shared in data.persons])
    for p, person in enumerate(data.persons):  # the duplicates have the pose of the person at hand
        if person.annotation is None:
            twin = next(i for i, q in enumerate(data.persons) if q.annotation and abs(q.box - person.box).max() < 3)
            poses[p] = poses[twin]
    scores = np.array([[0.5 if person.annotation else 0.9] * 17 for person in data.persons])
    found = merged_detections(data, poses, scores, RULES["rmpe2017"])
    assert len(found) == len(data.truth)
    assert found.owner is not None
    assert sorted(found.owner.tolist()) == sorted(owner[owner >= 0].tolist())


def test_fit_nms_writes_a_rule_that_attack_reads(
    shared_people: People, tiny: TinyModel, detections: Path, occbench: Occbench, tmp_path: Path
) -> None:
    assert attack(occbench, shared_people, tiny, detections).code == 0
    fitted = occbench("fit-nms", "run", "--rule", "alphapose:least=0.01,eta=1000,matches=0", "--out", "rule.json")
    assert fitted.code == 0, fitted.err
    said = json.loads((tmp_path / "rule.json").read_text())
    assert said["ap"] >= said["ap_before"]
    assert f"--pose-nms {said['rule']}" in fitted.out
    data, cell = read(shared_people, detections), read_cell(tmp_path / "run" / "predictions" / "clean.parquet")
    for rule, name in ((said["rule"], "ap"), ("alphapose:least=0.01,eta=1000,matches=0", "ap_before")):
        found = merged_detections(data, cell.keypoints, cell.scores, PoseNms.parse(rule))
        assert said[name] == evaluate_cell(data.truth, found, data.sigmas, masks={None: None})[None].exact
    assert str(pose_nms_rule("rule.json", str(detections), "image", False)) == said["rule"]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("boxes", "options", "words"),
    [
        ("{det}", (), "its duplicates stay clean, and merging them would repair the attacked pose"),
        ("{det}", ("--scope", "person"), "--pose-nms needs --scope image"),
        ("gt", ("--scope", "image"), "but --boxes gt has one box a person"),
        ("jitter:0.1", ("--scope", "image"), "but --boxes jitter:0.1 has one box a person"),
        ("{det}", ("--scope", "image", "--pose-nms", "alphapos"), "did you mean alphapose?"),
        ("{det}", ("--scope", "image", "--pose-nms", "no.json"), "pose NMS file 'no.json'"),
        ("{det}", ("--scope", "image", "--pose-nms", "{det}"), "is no rule of pose NMS: `occbench fit-nms RUN --out"),
        ("gt", ("--model", "ae-hrnet"), "but this model finds the people itself"),
    ],
)
def test_where_it_cannot_be_used_it_is_refused(
    shared_people: People,
    tiny: TinyModel,
    detections: Path,
    refuses: Refusal,
    boxes: str,
    options: tuple[str, ...],
    words: str,
) -> None:
    given = [option.format(det=detections) for option in options]
    command = ["attack", "--model", tiny.config, "--data", shared_people.annotations, "--kind", "part-blackout"]
    refuses([*command, "--boxes", boxes.format(det=detections), "--pose-nms", "alphapose", *given], words)


def test_fit_nms_wants_a_run_over_detected_boxes(shared_people: People, tiny: TinyModel, occbench: Occbench) -> None:
    assert attack(occbench, shared_people, tiny, "gt").code == 0
    refused = occbench("fit-nms", "run")
    assert refused.code == 2
    assert "has no poses of detected boxes that are scored by AP" in refused.err
