"""Runs of an estimator that sees whole photos: resumed, scored, verified, exported, reported, compared."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.api.evaluate import evaluate
from occbench.attacks import COCO, Attack, Placement
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.synthetic import generate
from occbench.estimators.pose_model import PoseModel
from occbench.estimators.reference import reference_crops
from occbench.inference import photo_engine
from occbench.inference.photo_engine import predict_photos
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions
from occbench.jobs.attacked_photos import export_attacked
from occbench.jobs.comparison import compare_runs
from occbench.jobs.export import export
from occbench.jobs.job import Job
from occbench.jobs.measure import measure
from occbench.jobs.verify import verify
from occbench.reports import build_report
from occbench.runs.about import ModelFiles
from occbench.runs.manifest import read_manifest
from occbench.runs.parquet import read_cell
from occbench.system.errors import OccbenchError
from occbench.system.progress import Progress
from occbench.tables.scoring import Scoring

from ..cli.conftest import TinyModel
from ..command_line import draw_outlines
from ..inference.made_finder import MadeFinder

ATTACKS = [
    Attack("keypoint", "blackout", "left_wrist", 8),
    Attack("keypoint", "blackout", "nose", 8, Placement("decoys", 2)),
    Attack("keypoint", "blackout", "nose", 8),
    Attack("keypoint", "blackout", "nose", 12),
    Attack("part", "meanout", "upper_body", 6),
]


@pytest.fixture(scope="module", autouse=True)
def _several_chunks() -> Iterator[None]:
    """Of two photos each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_engine, "LEAST_PHOTOS", 2)
        patch.setattr(photo_engine, "BATCHES_PER_CHUNK", 1)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    annotations = generate(8, 5, tmp_path_factory.mktemp("people") / "set")
    return read_coco(annotations, annotations.parent / "images")


def job_of(dataset: Dataset, out: Path, attacks: list[Attack] = ATTACKS) -> Job:
    weights = Path(__file__)  # nobody reads them
    files = ModelFiles("made", weights, weights, {})
    settings = Settings(batch_size=2, workers=0, scope="image")
    return Job(MadeFinder(dataset), files, dataset, attacks, out, Scoring(draws=40), settings)


def run_job(job: Job, report: bool = False) -> Path:
    assert measure(job, lambda out: build_report([out]) if report else out, Progress(False)) is not None
    return job.out


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        draw_outlines(patch)
        return run_job(job_of(dataset, tmp_path_factory.mktemp("run") / "photos"), report=True)


def content(run: Path) -> dict[str, bytes]:
    """All that must be the same whenever and wherever it is computed."""
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    made = ("manifest.json", ".lock", "report.html", "plots/", "tables/")
    return {name: data for name, data in files.items() if not name.startswith(made)}


def test_a_run_that_was_stopped_goes_on(dataset: Dataset, run: Path, tmp_path: Path) -> None:
    job = job_of(dataset, tmp_path / "photos")
    finder = job.model
    assert isinstance(finder, MadeFinder)
    predict, calls = finder.predict, 0

    def dying(inputs: list) -> list:  # type: ignore[type-arg]
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        return predict(inputs)

    finder.predict = dying  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        run_job(job)
    again = job_of(dataset, tmp_path / "photos")
    run_job(again)
    assert isinstance(again.model, MadeFinder)
    assert content(tmp_path / "photos") == content(run)
    assert read_manifest(run)["chunks"]["computed"] > read_manifest(tmp_path / "photos")["chunks"]["computed"]


def test_a_run_that_grows_is_as_one_made_at_once(dataset: Dataset, run: Path, tmp_path: Path) -> None:
    run_job(job_of(dataset, tmp_path / "photos", ATTACKS[2:]))
    run_job(job_of(dataset, tmp_path / "photos"))
    assert content(tmp_path / "photos") == content(run)


def test_the_run_says_what_it_is_of(run: Path, dataset: Dataset) -> None:
    manifest = read_manifest(run)
    assert (manifest["model"]["sees"], manifest["model"]["crop"]) == ("photo", [192, 256])
    assert (manifest["choices"]["boxes"], manifest["choices"]["crop"], manifest["scope"]) == (
        "photo",
        "192x256",
        "image",
    )
    persons = pd.read_parquet(run / "persons.parquet")
    assert len(persons) == len(dataset.persons)
    np.testing.assert_allclose(persons["image_px_per_crop_px"], persons["scale_w"] / 192, rtol=1e-6)
    np.testing.assert_allclose(persons["network_px_per_crop_px"], persons["image_px_per_crop_px"] / 2, rtol=1e-6)
    cells = pd.read_csv(run / "cells.csv")
    assert set(cells["boxes"]) == {"photo"}
    read = pd.read_parquet(run / "predictions" / "clean.parquet")
    assert len(read) == len(dataset.photos)
    assert sum(map(len, read["found_scores"])) == len(dataset.persons) + 2 * len(dataset.photos)


def test_another_reference_crop_is_another_run(run: Path, dataset: Dataset) -> None:
    with pytest.raises(OccbenchError, match="with crop 192x256"):
        run_job(replace(job_of(dataset, run), crop=(96, 128)))


def slow_figures(dataset: Dataset, cell: CellPredictions, k: int | None) -> tuple[float, int]:
    """pycocotools' AP over all keypoints, or of one: over files without the predictions of persons who lack it."""
    from pycocotools.coco import COCO as Files
    from pycocotools.cocoeval import COCOeval

    found = cell.found
    assert found is not None
    lacking = {i for i, p in enumerate(dataset.persons) if k is not None and not p.labelled[k]}
    results = [
        {
            "image_id": int(found.image[d]),
            "category_id": 1,
            "keypoints": np.column_stack([found.keypoints[d].astype(float), np.ones(17)]).ravel().tolist(),
            "score": float(found.scores[d]),
            "somebodys": k is not None and int(found.person[d]) >= 0,
        }
        for d in range(len(found))
        if int(found.person[d]) not in lacking
    ]
    data = json.loads(dataset.annotations.read_text())
    for annotation in data["annotations"]:
        triples = np.array(annotation["keypoints"], dtype=float).reshape(-1, 3)
        if k is not None:
            triples[np.arange(17) != k, 2] = 0
            annotation["num_keypoints"] = int(triples[k, 2] > 0)
        annotation["keypoints"] = triples.ravel().tolist()

    class Judge(COCOeval):  # type: ignore[misc]
        """A person who does not count takes no prediction that is somebody else's."""

        def computeOks(self, imgId: int, catId: int) -> Any:
            similar = super().computeOks(imgId, catId)
            best = sorted(self._dts[imgId, catId], key=lambda d: -d["score"])[: len(similar)]
            for i, one in enumerate(best):
                for j, person in enumerate(self._gts[imgId, catId]):
                    if one["somebodys"] and person["ignore"]:
                        similar[i, j] = 0
            return similar

    with contextlib.redirect_stdout(io.StringIO()):
        truth = Files()
        truth.dataset = data
        truth.createIndex()
        judge = Judge(truth, truth.loadRes(results), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), sum(a["num_keypoints"] > 0 for a in data["annotations"])


def cells_of(run: Path) -> Iterator[tuple[CellPredictions, pd.DataFrame]]:
    table = pd.read_csv(run / "cells.csv")
    for start in range(0, len(table), 18):
        rows = table.iloc[start : start + 18]
        first = rows.iloc[0]
        attack = None
        if first["level"] != "clean":
            name = f"{first['level']}-{first['fill']}:{first['target']}"
            attack = next(
                a
                for a in ATTACKS
                if a.name.startswith(name) and (a.radius, str(a.placement)) == (first["radius"], first["placement"])
            )
        slug = "clean" if attack is None else attack.slug
        yield read_cell(run / "predictions" / f"{slug}.parquet"), rows


def test_figures_are_those_of_pycocotools(run: Path, dataset: Dataset) -> None:
    for cell, rows in cells_of(run):
        for key, (_, row) in zip((None, *range(17)), rows.iterrows(), strict=True):
            ap, n = slow_figures(dataset, cell, key)
            assert row["n"] == n
            # cells.csv has ten digits
            assert row["ap"] == pytest.approx(ap, abs=1e-10), (cell.slug, row["keypoint"])


def test_scores_before_they_are_rounded_are_those_of_pycocotools(run: Path, dataset: Dataset) -> None:
    for slug in ("clean", ATTACKS[4].slug):
        cell = read_cell(run / "predictions" / f"{slug}.parquet")
        rows = json.loads((run / "scores" / f"{slug}.json").read_text())["rows"]
        for key, row in zip((None, *range(17)), rows, strict=True):
            assert row["ap"] == pytest.approx(slow_figures(dataset, cell, key)[0], abs=1e-12)


def test_who_is_found(run: Path, dataset: Dataset) -> None:
    labelled = np.array([person.labelled for person in dataset.persons])
    shares = {}
    for cell, rows in cells_of(run):
        there = np.isfinite(cell.keypoints).all((1, 2))
        expected = [there.mean(), *(there[labelled[:, k]].mean() for k in range(17))]
        np.testing.assert_allclose(rows["found"], expected, atol=1e-9)
        shares[cell.slug] = rows["found"].to_numpy()
        if cell.attack is None:
            assert rows["drop_found"].isna().all()
        else:
            np.testing.assert_allclose(rows["drop_found"], 100 * (shares["clean"] - rows["found"]), atol=1e-7)
    assert shares[ATTACKS[4].slug][0] < 0.5 < shares["clean"][0], "hiding the upper body loses people"
    lost = pd.read_csv(run / "cells.csv").iloc[-18]
    assert 0 < lost["drop_found_lo"] < lost["drop_found"] < lost["drop_found_hi"] <= 100
    assert lost["p_found"] < 0.05


def test_tables_of_one_pose_per_person_leave_out_who_is_not_found(run: Path, dataset: Dataset) -> None:
    confidence = pd.read_csv(run / "confidence.csv")
    whole = confidence[confidence["score_lo"].isna()]
    for cell, rows in cells_of(run):
        if cell.attack is None:
            continue
        found = np.isfinite(cell.scores).all(1)
        labelled = np.array([person.labelled for person in dataset.persons])
        mine = whole[(whole["target"] == cell.attack.target) & (whole["radius"] == cell.attack.radius)]
        mine = mine[mine["placement"] == str(cell.attack.placement)]
        assert mine["n"].sum() == (labelled & found[:, None]).sum()
        assert rows["attraction"].notna().any() == (found & cell.attacked).any()
    assert (run / "controls.csv").is_file()


def test_verify_and_export(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    verdict = verify(run)
    assert verdict.wrong == ()
    assert "cells.csv" in verdict.tables
    files = {path.stem: path for path in export(run, "coco", tmp_path / "coco")}
    scores = evaluate(dataset.annotations, files[ATTACKS[4].slug], files["clean"], images=dataset.images, bootstrap=0)
    ours = pd.read_csv(run / "cells.csv")
    for level, own in zip(("clean", "results"), (ours.iloc[:18], ours.iloc[-18:]), strict=True):
        theirs = scores.rows[scores.rows["level"] == level]
        np.testing.assert_allclose(theirs["value"], own["value"], atol=1e-9)
    poses = pd.read_csv(export(run, "csv", tmp_path / "csv")[1])
    assert len(poses) == (1 + len(ATTACKS)) * len(dataset.persons)


def test_attacked_photos_are_those_that_were_seen(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    import hashlib

    import cv2

    finder = MadeFinder(dataset)
    predict_photos(finder, reference_crops((192, 256)), dataset, ATTACKS)
    seen = set(finder.seen)
    for folder in export_attacked(run, tmp_path / "out"):
        for file in (folder / "images").glob("*.png"):
            assert hashlib.sha256(cv2.imread(str(file)).tobytes()).hexdigest() in seen


def visible(page: str) -> str:
    """The words that a reader of a page sees, or hears."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page[page.index("<body>") :], flags=re.DOTALL)
    spoken = re.findall(r'(?:alt|aria-label|title)="([^"]*)"', body)
    return " ".join([re.sub(r"<[^>]+>", " ", body), *spoken])


def test_the_report_speaks_of_photos(run: Path) -> None:
    text = visible((run / "report.html").read_text())
    assert not re.findall(r"[^.]*\b(?:box|boxes|crop|crops)\b[^.]*", text.replace("192x256", ""), re.IGNORECASE)
    assert "finds the people itself" in text
    assert "Who is not found any more" in text
    assert "100.0 % of them found in the whole photo" in text


@pytest.mark.usefixtures("without_figures")
def test_a_top_down_model_beside_it(run: Path, dataset: Dataset, tiny: TinyModel, tmp_path: Path) -> None:
    other = replace(
        job_of(dataset, tmp_path / "crops"),
        model=PoseModel(tiny.config, tiny.weights),
        files=ModelFiles("tiny", tiny.config, tiny.weights, {}),
    )
    run_job(other)
    compared = compare_runs([run, tmp_path / "crops"], names=["photos", "crops"])
    assert [(one.group.name, one.baseline.name) for one in compared] == [("crops", "photos")]
    assert all(np.isfinite(change.value) for change in compared[0].changes)
    page = build_report([run, tmp_path / "crops"], tmp_path / "both", compared=compared, labels=["photos", "crops"])
    text = visible(page.read_text())
    assert "what the model is given" in text
    assert "ground truth" in text
    assert "none (whole photo)" in text
    person = run_job(replace(other, out=tmp_path / "person", settings=replace(other.settings, scope="person")))
    with pytest.raises(OccbenchError, match="scope person"):
        compare_runs([run, person])


def test_other_keypoints_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    job = job_of(dataset, tmp_path / "run")
    assert len(COCO.keypoints) == 17
    job.model.keypoints = 16  # type: ignore[misc, union-attr]
    with pytest.raises(OccbenchError, match="predicts 16 keypoints"):
        run_job(job)
