"""``occbench report --rescore``: a run of an older rule says so, and is brought up to date from its predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from occbench.runs.manifest import read_manifest, write_manifest

from .conftest import Occbench, People, TinyModel


@pytest.mark.usefixtures("with_report")
def test_an_older_run_says_so_and_is_scored_anew(
    occbench: Occbench, tiny: TinyModel, shared_people: People, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["--model", tiny.config, "--checkpoint", tiny.weights, "--data", shared_people.annotations]
    arguments += ["--images", shared_people.images, "--kind", "part-blackout", "--target", "head"]
    assert occbench("attack", *arguments, "--bootstrap", 20, "--out", run).code == 0
    written = (run / "cells.csv").read_bytes()
    assert "older rule" not in (run / "report.html").read_text()

    (run / "cells.csv").write_bytes(written.replace(b"drop_grid", b"something"))
    manifest = {k: v for k, v in read_manifest(run).items() if k not in ("schema", "occbench", "evaluation")}
    write_manifest(run, manifest)
    answer = occbench("verify", run)
    assert answer.code != 0
    assert "older rule" in answer.out + answer.err
    assert occbench("report", run).code == 0
    assert "The scores of this run are of an older rule" in (run / "report.html").read_text()

    assert occbench("report", run, "--rescore").code == 0
    assert (run / "cells.csv").read_bytes() == written
    assert "older rule" not in (run / "report.html").read_text()
    assert occbench("verify", run).code == 0


def test_a_changed_run_is_not_scored_anew(
    occbench: Occbench, tiny: TinyModel, shared_people: People, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["--model", tiny.config, "--checkpoint", tiny.weights, "--data", shared_people.annotations]
    arguments += ["--images", shared_people.images, "--kind", "part-blackout", "--target", "head"]
    assert occbench("attack", *arguments, "--bootstrap", 0, "--out", run).code == 0
    (run / "cells.csv").write_text("broken")
    answer = occbench("report", run, "--rescore")
    assert answer.code == 2
    assert "is not as it was written" in answer.err
    assert occbench("report", run, "--data", shared_people.annotations).code == 2
