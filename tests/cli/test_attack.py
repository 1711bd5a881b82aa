"""`occbench attack` from photos to the report, on a model that knows them."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.estimators import crops as crops_module
from occbench.estimators.pose_model import PoseModel
from occbench.jobs import measure
from occbench.tables.cells import Cells

from .conftest import Answer, Occbench, People, TinyModel, assert_refused

KINDS = ("keypoint-blackout", "part-meanout")
TARGETS = ("nose", "left_arm")
RADII = (2.0, 5.0)
PLACEMENTS = ("centred", "decoys:2")
CELLS = len(KINDS) * len(RADII) * len(PLACEMENTS)  # each target belongs to one of the kinds
PERSONS = 7


def command(people: People, tiny: TinyModel, out: object) -> list[object]:
    return [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights),
        *("--data", people.annotations, "--images", people.images),
        *("--kind", KINDS[0], "--kind", KINDS[1], "--target", ",".join(TARGETS), "--radius", "2,5"),
        *("--placement", ",".join(PLACEMENTS), "--bootstrap", 30, "--batch-size", 4, "--device", "cpu"),
        *("--out", out),
    ]


class Calls:
    """What the engine asked of the model and of the disk, by run."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[np.ndarray]] = []
        self.decoded: list[str] = []
        self._running = False
        run_cells, predict, decode = measure.run_cells, PoseModel.predict, crops_module.decode

        def counted_run(*arguments: Any) -> None:
            self._running = True
            self.batches.clear()
            self.decoded.clear()
            run_cells(*arguments)
            self._running = False

        def counted_predict(model: PoseModel, images: Any, crops: Any) -> Any:
            self.batches.append([image.copy() for image in images])
            return predict(model, images, crops)

        def counted_decode(photo: Any) -> np.ndarray:
            if self._running:
                self.decoded.append(photo.file_name)
            return decode(photo)

        patch.setattr(measure, "run_cells", counted_run)
        patch.setattr(PoseModel, "predict", counted_predict)
        patch.setattr(crops_module, "decode", counted_decode)


class Done:
    """A finished run and what it took."""

    def __init__(self, out: Path, calls: Calls) -> None:
        self.out = out
        self.calls = calls
        self.cells = pd.read_csv(out / "cells.csv", keep_default_na=True)
        self.manifest = json.loads((out / "manifest.json").read_text())

    def overall(self) -> pd.DataFrame:
        return self.cells[self.cells["keypoint"] == "all"]


@pytest.fixture(scope="module")
def done(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run for all the questions."""
    from occbench.cli import main

    out = tmp_path_factory.mktemp("runs") / "first"
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        patch.setattr(sys, "argv", ["occbench", *map(str, command(shared_people, tiny, out))])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code in (0, None)
    return Done(out, calls)


def test_the_model_is_worth_attacking(done: Done) -> None:
    """Otherwise every drop below would be 0 = 0."""
    overall = done.overall()
    assert overall["ap"].iloc[0] > 0.5
    assert overall["drop"].abs().max() > 1


def test_cells_csv_is_long(done: Done) -> None:
    cells = done.cells
    header = (done.out / "cells.csv").read_text().splitlines()[0]
    assert header == ",".join(name for name in Cells.columns if "found" not in name)  # of whole photos alone
    assert {path.name for path in done.out.iterdir()} == {
        *(
            "manifest.json",
            "cells.csv",
            "confidence.csv",
            "controls.csv",
            "errors.csv",
            "knows.csv",
            "natural.csv",
            "shares.csv",
            "persons.parquet",
            "report.html",
        ),
        *("predictions", "scores", "examples", "plots"),
    } | ({"tables"} if (done.out / "tables").is_dir() else set())
    assert len(cells) == (1 + CELLS) * 18
    names = cells["keypoint"].to_numpy().reshape(-1, 18)
    assert (names == names[0]).all()
    assert names[0, 0] == "all"
    assert set(cells["model"]) == {"tiny"}
    assert set(cells["dataset"]) == {"annotations"}
    assert set(cells["boxes"]) == {"gt"}
    assert set(cells["protocol"]) == {"corrected"}
    keys = done.overall()[["level", "fill", "target", "radius", "placement"]].iloc[1:]
    expected = [
        (*kind.split("-"), target, radius, placement)
        for kind, target in zip(KINDS, TARGETS, strict=True)
        for radius in RADII
        for placement in PLACEMENTS
    ]
    assert sorted(keys.itertuples(index=False, name=None)) == sorted(expected)


def test_the_clean_cell_names_no_attack_and_has_no_drop(done: Done) -> None:
    clean = done.cells[done.cells["level"] == "clean"]
    assert len(clean) == 18
    empty = ["fill", "target", "radius", "placement", "drop", "drop_lo", "drop_hi", "drop_se", "p", "p_adjusted"]
    assert clean[empty].isna().all(axis=None)
    assert "clean,,,,," in (done.out / "cells.csv").read_text()


def test_a_drop_is_the_difference_to_the_clean_cell(done: Done) -> None:
    for column, figure in (("drop", "ap_exact"), ("drop_grid", "ap")):
        ap = done.cells[figure].to_numpy().reshape(-1, 18)
        drop = done.cells[column].to_numpy().reshape(-1, 18)
        np.testing.assert_allclose(drop[1:], 100 * (ap[0] - ap[1:]), atol=1e-7)
    n = done.cells["n"].to_numpy().reshape(-1, 18)
    assert (n == n[0]).all()  # the same persons in every cell


def test_n_counts_the_persons_who_have_the_keypoint(done: Done, shared_people: People) -> None:
    records = json.loads(shared_people.annotations.read_text())["annotations"]
    labelled = np.array([record["keypoints"] for record in records]).reshape(-1, 17, 3)[..., 2] > 0
    assert len(records) == PERSONS
    n = done.cells["n"].to_numpy()[:18]
    assert n.tolist() == [labelled.any(1).sum(), *labelled.sum(0)]


def test_the_manifest_says_what_was_done(done: Done, shared_people: People, tiny: TinyModel) -> None:
    manifest = done.manifest
    assert manifest["command"] == ["occbench", *map(str, command(shared_people, tiny, done.out))]
    assert manifest["data"]["n_images"] == 3
    assert manifest["data"]["n_persons"] == PERSONS
    assert manifest["data"]["skipped_images"] == []
    assert manifest["boxes"] == {
        "source": "gt",
        "jitter": None,
        "file": None,
        "sha256": None,
        "detector": None,
        "n": PERSONS,
        "matched": PERSONS,
        "missed": 0,
        "unmatched": 0,
        "figures": None,
        "relative": {"file": None},
    }
    assert [manifest["seed"], manifest["bootstrap"], manifest["batch_size"]] == [0, 30, 4]
    assert len(manifest["cells"]) == 1 + CELLS
    slugs = {cell["slug"] for cell in manifest["cells"]}
    assert {path.stem for path in (done.out / "predictions").iterdir()} == slugs
    assert len(slugs) == 1 + CELLS


def test_only_what_an_attack_changes_is_inferred_again(done: Done) -> None:
    attacked = [cell.get("n_attacked", PERSONS) for cell in done.manifest["cells"]]
    assert any(0 < n < PERSONS for n in attacked[1:]), "some person must lack a target, or this shows nothing"
    assert sum(map(len, done.calls.batches)) == sum(attacked)
    clean = {image.tobytes() for batch in done.calls.batches[:2] for image in batch}
    assert len(clean) == PERSONS
    for batch in done.calls.batches[2:]:
        assert all(image.tobytes() not in clean for image in batch)
    assert max(map(len, done.calls.batches)) == 4


def test_each_photo_is_decoded_once(done: Done) -> None:
    assert Counter(done.calls.decoded) == {f"{i:06d}.jpg": 1 for i in range(3)}


def test_the_report_shows_every_kind_of_plot(done: Done) -> None:
    page = (done.out / "report.html").read_text()
    assert page.count("<svg") >= 4
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "the page must need no other file"
    suffixes = {path.suffix for path in (done.out / "plots").iterdir()}
    assert suffixes == {".svg", ".png"}


@pytest.mark.usefixtures("with_figures")
def test_the_same_command_writes_the_same_bytes(
    done: Done, shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    out = tmp_path / "second"
    answer = occbench(*command(shared_people, tiny, out), "--json")
    assert (answer.code, answer.err) == (0, "")

    summary = json.loads(answer.out)
    assert summary["out"] == str(out)
    assert Path(summary["report"]).is_file()
    assert summary["clean"]["ap"] == pytest.approx(done.overall()["ap"].iloc[0], abs=1e-9)
    assert summary["clean"]["target"] is None
    assert [cell["drop"] for cell in summary["cells"]] == pytest.approx(done.overall()["drop"].tolist()[1:], abs=1e-7)

    first, second = ({p.relative_to(o) for p in o.rglob("*") if p.is_file()} for o in (done.out, out))
    assert first == second
    for path in sorted(first - {Path("manifest.json"), Path("report.html")}):
        assert (done.out / path).read_bytes() == (out / path).read_bytes(), path
    pages = [(o / "report.html").read_text().replace(str(o), "OUT") for o in (done.out, out)]
    assert pages[0] == pages[1].replace(" --json", "")  # the page shows the command
    manifests = [json.loads((o / "manifest.json").read_text()) for o in (done.out, out)]
    for manifest in manifests:
        for key in ("command", "created", "wall_seconds", "git_commit"):
            manifest.pop(key)
        manifest["seal"].pop("sha256")
        manifest["seal"]["files"].pop("report.html")
    assert manifests[0] == manifests[1]


def test_predictions_score_the_same_elsewhere(done: Done, shared_people: People, occbench: Occbench) -> None:
    assert occbench("export", done.out, "--format", "coco", "--out", "coco").code == 0
    for cell in done.manifest["cells"][1::3]:
        answer = occbench(
            *("evaluate", "--data", shared_people.annotations, "--bootstrap", 30, "--json"),
            *("--predictions", Path("coco") / f"{cell['slug']}.json", "--clean", Path("coco") / "clean.json"),
        )
        assert (answer.code, answer.err) == (0, "")
        rows = pd.DataFrame(json.loads(answer.out))
        where = [done.cells[key] == cell[key] for key in ("level", "fill", "target", "radius", "placement")]
        ours = done.cells[np.logical_and.reduce(where)]
        theirs = rows[rows["level"] == "results"]
        for column in ("n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "drop", "drop_lo", "drop_hi", "ap_lo", "p"):
            expected = ours[column].to_numpy(dtype=float)
            np.testing.assert_allclose(theirs[column].to_numpy(dtype=float), expected, atol=1e-7, err_msg=column)


def run_once(occbench: Occbench, people: People, tiny: TinyModel, *options: object) -> Answer:
    return occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations),
        *("--kind", "keypoint-blackout", "--target", "nose", "--radius", 3, "--bootstrap", 0, *options),
    )


def test_an_unreadable_photo_is_skipped_on_request_and_recorded(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    photo = people.images / "000001.jpg"
    photo.write_bytes(photo.read_bytes()[:2000])
    answer = run_once(occbench, people, tiny, "--out", "run", "--skip-unreadable")
    assert (answer.code, answer.err.count("\n")) == (0, 1)
    assert "000001.jpg" in answer.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["data"]["skipped_images"] == ["000001.jpg"]
    assert manifest["data"]["n_images"] == 2
    records = json.loads(people.annotations.read_text())["annotations"]
    left = sum(record["image_id"] != 2 for record in records)
    assert manifest["data"]["n_persons"] == left < PERSONS
    assert pd.read_csv(tmp_path / "run" / "cells.csv")["n"].iloc[0] == left
    assert set(pd.read_parquet(tmp_path / "run" / "persons.parquet")["image_id"]) == {1, 3}


def test_another_run_is_replaced_only_on_request(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    options = ("--out", "runs/one", "--limit", 1)
    assert run_once(occbench, people, tiny, *options).code == 0
    run = tmp_path / "runs" / "one"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    answer = run_once(occbench, people, tiny, *options, "--protocol", "thesis")
    assert_refused(answer, "holds another run already (with protocol corrected)", "--overwrite")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    (run / "stale").touch()
    answer = run_once(occbench, people, tiny, *options, "--overwrite", "--protocol", "thesis")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads((run / "manifest.json").read_text())["protocol"] == "thesis"
    assert not (run / "stale").exists()
    assert [path.name for path in run.parent.iterdir()] == ["one"]


def test_without_out_the_same_command_goes_on(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    for _ in range(2):
        assert run_once(occbench, people, tiny, "--limit", 1).code == 0
    (name,) = [path.name for path in (tmp_path / "runs").iterdir()]
    assert re.fullmatch(r"tiny@tiny-[0-9a-f]{6}-annotations-gt", name)


def test_out_may_be_an_empty_folder_or_a_link_to_one(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    answer = run_once(occbench, people, tiny, "--limit", 1, "--out", "link")
    assert (answer.code, answer.err) == (0, "")
    assert (real / "manifest.json").is_file()
    assert (tmp_path / "link").is_symlink()


def test_detected_boxes_are_counted(people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path) -> None:
    records = json.loads(people.annotations.read_text())["annotations"]
    boxes = [{"image_id": r["image_id"], "category_id": 1, "bbox": r["bbox"], "score": 0.9} for r in records[:-1]]
    boxes.append({"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.3})
    detections = tmp_path / "found.json"
    detections.write_text(json.dumps(boxes))
    answer = run_once(occbench, people, tiny, "--boxes", detections, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    counts = json.loads((tmp_path / "run" / "manifest.json").read_text())["boxes"]
    assert [counts[key] for key in ("n", "matched", "missed", "unmatched")] == [PERSONS, PERSONS - 1, 1, 1]
    assert set(pd.read_csv(tmp_path / "run" / "cells.csv")["boxes"]) == {"found"}


def test_a_limit_that_leaves_no_box_is_said(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    detections = tmp_path / "found.json"
    detections.write_text(json.dumps([{"image_id": 3, "category_id": 1, "bbox": [9, 9, 50, 50], "score": 1}]))
    answer = run_once(occbench, people, tiny, "--boxes", detections, "--limit", 1, "--out", "run")
    assert_refused(answer, "no box")
    assert not (tmp_path / "run").exists()


def test_a_break_leaves_nothing(
    people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PoseModel, "predict", broken)
    answer = run_once(occbench, people, tiny, "--out", "runs/run")
    assert answer.code == 130
    assert answer.err == "occbench: interrupted\n"
    assert not (tmp_path / "runs").exists()
