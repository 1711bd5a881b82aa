"""A sealed run: one flipped byte is found, its figures follow from its predictions, others can read it."""

from __future__ import annotations

import json
import re
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.attacks import Attack, Placement
from occbench.inference.predictions import CellPredictions
from occbench.runs.manifest import SCHEMA, broken_seal, files_of, read_manifest, reseal
from occbench.runs.parquet import read_cell, read_identity, write_cell
from occbench.system.errors import OccbenchError

from ..command_line import Occbench, People, TinyModel, assert_refused, leave_out_report

GOLDEN = Path(__file__).parent / "schema-1.json"


@pytest.fixture(scope="module")
def finished(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four cells, without its report."""
    import sys

    from occbench.cli import main

    out = tmp_path_factory.mktemp("runs") / "run"
    command = [
        *("occbench", "attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--out", out),
        *("--data", shared_people.annotations, "--images", shared_people.images, "--bootstrap", 20),
        *("--kind", "keypoint-blackout,part-blur", "--target", "nose,head", "--radius", 3, "--placement", "decoys:2"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(word) for word in command])
        leave_out_report(patch)
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code in (0, None)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_an_untouched_run_is_intact(run: Path, occbench: Occbench) -> None:
    answer = occbench("verify", run)
    assert (answer.code, answer.err) == (0, "")
    assert "the predictions of 3 cells give cells.csv" in answer.out


def test_one_flipped_byte_is_found_in_any_file(run: Path) -> None:
    names = ["manifest.json", *files_of(run)]
    assert {Path(name).suffix for name in names} == {".json", ".csv", ".parquet", ".png"}
    rng = np.random.default_rng(0)
    for name in names:
        path = run / name
        content = path.read_bytes()
        for at in {0, len(content) - 1, *rng.integers(0, len(content), 6).tolist()}:
            flipped = bytearray(content)
            flipped[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            try:
                wrong = broken_seal(run)
            except OccbenchError as error:  # a manifest that cannot be read any more
                assert name == "manifest.json"
                wrong = [str(error)]
            assert wrong, (name, at)
            assert name in wrong[0]
        path.write_bytes(content)
    assert broken_seal(run) == []


def test_missing_and_foreign_files_are_found(run: Path, occbench: Occbench) -> None:
    (run / "cells.csv").rename(run / "cells.old")
    answer = occbench("verify", run, "--json")
    assert answer.code == 3
    assert json.loads(answer.out)["wrong"] == ["cells.csv is missing", "cells.old is no file of the run"]


def test_figures_that_do_not_follow_from_the_predictions_are_found(run: Path, occbench: Occbench) -> None:
    table = pd.read_csv(run / "cells.csv", dtype=str, keep_default_na=False)
    table.loc[3, "ap"] = "0.9999"
    (run / "cells.csv").write_text(table.to_csv(index=False))
    reseal(run)  # by somebody who knows how
    answer = occbench("verify", run)
    assert answer.code == 3
    assert "cells.csv, line 5" in answer.out
    assert "0.9999" in answer.out


def test_other_annotations_are_refused(run: Path, shared_people: People, occbench: Occbench, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(shared_people.annotations.read_text() + " ")
    answer = occbench("verify", run, "--data", other, "--images", shared_people.images)
    assert_refused(answer, "other.json", "is not the file that was measured on")
    moved = tmp_path / "moved.json"
    shutil.copy(shared_people.annotations, moved)
    assert occbench("verify", run, "--data", moved, "--images", shared_people.images).code == 0


def test_what_is_no_sealed_run_is_refused(occbench: Occbench, tmp_path: Path) -> None:
    assert_refused(occbench("verify", tmp_path / "nowhere"), "no run folder")
    shutil.copy(GOLDEN, tmp_path / "manifest.json")
    assert_refused(occbench("verify", tmp_path), "not sealed")


def test_a_manifest_of_schema_1_is_read_as_the_present_one(tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "manifest.json")
    manifest = read_manifest(tmp_path)
    assert manifest["schema"] == SCHEMA
    assert manifest["complete"] is True
    assert manifest["backend"] == {"name": "torch", "precision": "fp32", "device": "cpu", "version": "2.13.0+cpu"}
    assert manifest["model"]["name"] == "hrnet-mini"
    assert [cell["slug"] for cell in manifest["cells"]] == ["clean", "part-blackout_head"]


def cell(attack: Attack | None, n: int = 5) -> CellPredictions:
    rng = np.random.default_rng(3)
    empty = CellPredictions.empty(attack, n, 17)
    empty.keypoints[:] = rng.normal(size=empty.keypoints.shape)
    empty.scores[:] = rng.random(empty.scores.shape)
    empty.attacked[:] = rng.random(n) < 0.5
    empty.covered[:] = rng.random(empty.covered.shape) < 0.5
    empty.missing[:] = rng.integers(0, 3, n)
    empty.centres[: n // 2] = 7.25
    return empty


ATTACKS = [None, Attack("part", "blur", "head", 4.5), Attack("keypoint", "meanout", "nose", 6, Placement("decoys", 3))]


@pytest.mark.parametrize("attack", ATTACKS, ids=["clean", "part", "decoys"])
@pytest.mark.parametrize("n", [1, 5])
def test_a_cell_is_read_as_it_was_written(tmp_path: Path, attack: Attack | None, n: int) -> None:
    path, identity = tmp_path / "cell.parquet", {"weights": "abc", "flip": True, "limit": None}
    written = cell(attack, n)
    write_cell(path, written, identity)
    assert read_identity(path) == (attack, identity)
    read = read_cell(path)
    assert read.attack == attack
    for name in ("keypoints", "scores", "attacked", "covered", "missing", "centres"):
        assert getattr(read, name).dtype == getattr(written, name).dtype, name
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
    first = path.read_bytes()
    write_cell(path, written, identity)
    assert path.read_bytes() == first


def test_a_cell_reads_the_same_by_pandas(run: Path) -> None:
    table = pd.read_parquet(run / "predictions" / "keypoint-blackout_nose_r3_decoys_2.parquet")
    ours = read_cell(run / "predictions" / "keypoint-blackout_nose_r3_decoys_2.parquet")
    np.testing.assert_array_equal(np.stack(table["keypoints"]).reshape(-1, 17, 2), ours.keypoints)
    persons = pd.read_parquet(run / "persons.parquet")
    assert len(persons) == len(table)
    assert {"id", "image_id", "x1", "score", "area", "torso"} <= set(persons)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_exported_tables_have_every_cell_and_box(run: Path, occbench: Occbench, tmp_path: Path, form: str) -> None:
    assert occbench("export", run, "--format", form, "--out", tmp_path / "out").code == 0
    read = pd.read_csv if form == "csv" else pd.read_parquet
    poses = read(tmp_path / "out" / f"predictions.{form}")
    assert len(poses) == 3 * 7
    clean = read_cell(run / "predictions" / "clean.parquet")
    found = poses[poses["cell"] == "clean"]
    np.testing.assert_allclose(found["left_wrist_x"], clean.keypoints[:, 9, 0], rtol=1e-6)
    pd.testing.assert_frame_equal(
        read(tmp_path / "out" / f"cells.{form}"), pd.read_csv(run / "cells.csv"), check_dtype=False
    )


def test_the_exported_latex_table_holds_the_drops(run: Path, occbench: Occbench, tmp_path: Path) -> None:
    answer = occbench("export", run, "--format", "latex", "--out", tmp_path / "out")
    assert answer.out == f"1 file in {tmp_path / 'out'}\n"
    text = (tmp_path / "out" / "drops.tex").read_text()
    rows = pd.read_csv(StringIO((run / "cells.csv").read_text()))
    for _, row in rows[(rows["keypoint"] == "all") & (rows["level"] != "clean")].iterrows():
        assert f"{abs(row['drop']):.2f}" in text
    assert "nose & 3 & decoys:2" in text


def test_every_latex_file_is_of_one_style(run: Path, occbench: Occbench, tmp_path: Path) -> None:
    assert occbench("export", run, "--format", "latex", "--out", tmp_path / "out").code == 0
    assert occbench("report", run, "--format", "latex", "--out", tmp_path / "report").code == 0
    files = [tmp_path / "out" / "drops.tex", *(tmp_path / "report" / "tables").glob("*.tex")]
    assert len(files) > 3
    for file in files:
        text = file.read_text()
        assert text.startswith("% \\usepackage{booktabs,longtable}\n")
        for needed in (r"\caption{", r"\label{tab:", r"\toprule", r"\midrule", r"\bottomrule"):
            assert needed in text
        assert not re.search(r"(?<!\\scriptsize )\[[^]]*\d, [^]]*\d\]", text.partition(r"\midrule")[2])


def test_an_unknown_format_is_refused(run: Path, occbench: Occbench) -> None:
    assert_refused(occbench("export", run, "--format", "coc"), "unknown format 'coc'", "coco")
