"""The steps of a measurement, each by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.attacks import Attack
from occbench.data.sources import open_dataset
from occbench.estimators.pose_model import PoseModel
from occbench.inference.plan import Settings
from occbench.jobs import measure as steps
from occbench.jobs.job import Job
from occbench.jobs.score import Scored, score
from occbench.runs.about import ModelFiles
from occbench.runs.manifest import broken_seal, read_manifest
from occbench.system.distributed import Ranks
from occbench.system.errors import OccbenchError
from occbench.system.progress import Progress
from occbench.tables.scoring import Scoring

from ..command_line import People, TinyModel

NOSE = Attack("keypoint", "blackout", "nose", 3.0)
HIP = Attack("keypoint", "blackout", "left_hip", 3.0)


@pytest.fixture
def job(shared_people: People, tiny: TinyModel, tmp_path: Path) -> Job:
    return Job(
        PoseModel(tiny.config, tiny.weights, "cpu"),
        ModelFiles("tiny", tiny.config, tiny.weights, {}),
        open_dataset(str(shared_people.annotations), shared_people.images, "gt", 0),
        [NOSE],
        tmp_path / "run",
        Scoring(draws=20),
        Settings("corrected", 0, 4, 1),
    )


def test_open_holds_the_folder_and_marks_the_run_as_unfinished(job: Job) -> None:
    with steps.opened(job, Progress(False), Ranks()) as run:
        assert (run.found.reused, list(run.attacks)) == ((), [NOSE])
        assert read_manifest(job.out)["complete"] is False
        with (
            pytest.raises(OccbenchError, match="is being written by"),
            steps.opened(job, Progress(False), Ranks()),
        ):
            pass


def test_open_refuses_other_keypoints_before_the_folder_is_made(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoseModel, "keypoints", 16)
    with pytest.raises(OccbenchError, match="predicts 16 keypoints"), steps.opened(job, Progress(False), Ranks()):
        pass
    assert not job.out.exists()


def test_predict_and_score_need_no_report(job: Job) -> None:
    quiet, alone = Progress(False), Ranks()
    with steps.opened(job, quiet, alone) as run:
        predicted = steps.predict(run, alone, quiet)
        assert (predicted.reference, predicted.redetected) == (None, None)
        assert {path.stem for path in (job.out / "predictions").iterdir()} == {"clean", NOSE.slug}
        assert not (job.out / "cells.csv").exists()
        scored = score(run.finished(), run.store, quiet)
    assert set(scored.tables) == {"cells", "confidence", "errors", "knows", "natural", "shares"}
    for name, table in scored.tables.items():
        written = pd.read_csv(job.out / f"{name}.csv")
        assert list(written.columns) == list(table.columns)
        numbers = table.select_dtypes(float).columns
        np.testing.assert_allclose(written[numbers].astype(float), table[numbers], rtol=1e-9)
    assert [cell["slug"] for cell in scored.cells] == ["clean", NOSE.slug]
    assert read_manifest(job.out)["complete"] is False


def test_doubtful_figures_are_findings(job: Job) -> None:
    cells = [{"slug": "clean", "attack": None}, {"slug": NOSE.slug, "n_attacked": 0}]
    scored = Scored(None, {"cells": pd.DataFrame({"value": [0.01], "n": [7.0]})}, cells)  # type: ignore[arg-type]
    low, empty = scored.findings
    assert "the clean value over 7 persons is 0.0100" in low.line
    assert "1 attack has nothing to hide in anybody" in empty.line


def test_the_steps_go_on_from_one_another(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occbench.tables.coverage.NEAR_0", 2.0)  # whatever this model is worth is low
    quiet, built = Progress(False), []

    def build(folder: Path) -> Path:
        built.append((folder, read_manifest(folder)["complete"]))
        return folder / "report.html"

    manifest = steps.measure(job, build, quiet)
    assert manifest is not None
    assert built == [(job.out, True)], "a report is made of a finished run"
    assert (manifest["reused"], manifest["computed"]) == (0, 2)
    assert "ap-near-0" in [finding["kind"] for finding in read_manifest(job.out)["data"]["findings"]]
    assert broken_seal(job.out) == []
    more = replace(job, attacks=[HIP])
    with steps.opened(more, quiet, Ranks()) as run:
        assert (run.found.reused, run.found.kept) == ((None,), (NOSE,))
        assert list(run.attacks) == [NOSE, HIP], "what is there belongs to the run"
