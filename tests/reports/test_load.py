"""Damaged and foreign run folders: one clear line each."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from occbench.reports import load_run
from occbench.system.errors import OccbenchError

from .fake_run import default_cells, fake_rows, plain_loss, write_fake_run, write_rows


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    assert run.notes == ()
    assert not run.has_intervals
    assert len(run.cells) == 8 * (1 + len(default_cells()))
    assert len(run.examples) == 3 * 4  # worst, median, improved of four targets
    assert (run.metric, len(run.confidence), len(run.groups), len(run.torso)) == ("AP", 0, 0, 0)
    nose = run.cells[(run.cells["target"] == "nose") & (run.cells["fill"] == "blackout")]
    assert set(nose["n_attacked"]) == {20.0}


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"no run folder.*manifest\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"occbench": "1"}', '{"schema": 1, "occbench": "0.1.0"}'])
def test_broken_manifest(tmp_path: Path, content: str) -> None:
    run = write_fake_run(tmp_path)
    (run / "manifest.json").write_text(content)
    with pytest.raises(OccbenchError, match=r"manifest\.json") as caught:
        load_run(run)
    assert "\n" not in str(caught.value)


def test_newer_schema_names_the_occbench_to_use(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, changes={"schema": 3, "occbench": "3.4.5"})
    with pytest.raises(OccbenchError, match=r"schema 3.*occbench 3\.4\.5"):
        load_run(run)


def test_an_unfinished_run_names_the_command_that_finishes_it(tmp_path: Path) -> None:
    content = {
        "schema": 2,
        "occbench": "0.1.0",
        "complete": False,
        "command": ["occbench", "attack", "--out", "my run"],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(OccbenchError, match=r"unfinished.*occbench attack --out 'my run'$"):
        load_run(tmp_path)


def test_missing_cells_file(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    (run / "cells.csv").unlink()
    with pytest.raises(OccbenchError, match=r"cells\.csv is missing"):
        load_run(run)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    pd.read_csv(run / "cells.csv").drop(columns=["drop", "placement"]).to_csv(run / "cells.csv", index=False)
    with pytest.raises(OccbenchError, match="lacks the column placement, drop"):
        load_run(run)


def test_missing_clean_cell(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    cells = pd.read_csv(run / "cells.csv")
    cells[cells["level"] != "clean"].to_csv(run / "cells.csv", index=False)
    with pytest.raises(OccbenchError, match="no row of the clean cell"):
        load_run(run)


def test_missing_rows_of_a_listed_cell_are_noted(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    write_rows(run / "cells.csv", fake_rows(default_cells()[2:], plain_loss, False))
    (note,) = load_run(run).notes
    assert note.endswith("so they are not shown: keypoint-blackout:nose r=6 centred and 1 more.")


def test_what_a_run_may_have_more(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, extras=True))
    assert run.torso.tolist() == [60.0, 64.0, 70.0]
    assert set(run.confidence["keypoints"]) == {"hidden", "visible"}
    own = run.cells[(run.cells["target"] == "nose") & (run.cells["keypoint"] == "nose")]
    assert set(own["attraction"]) == {1.5}


@pytest.mark.parametrize("content", ["level,fill\nclean,\n", "\x00\x01\x02", "x" * 40])
def test_damaged_confidence(tmp_path: Path, content: str) -> None:
    run = write_fake_run(tmp_path, extras=True)
    (run / "confidence.csv").write_text(content)
    with pytest.raises(OccbenchError, match=r"confidence\.csv cannot be read"):
        load_run(run)


def test_no_confidence_was_measurable(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, extras=True)
    pd.DataFrame([]).to_csv(run / "confidence.csv", index=False)
    assert len(load_run(run).confidence) == 0


def test_rows_given_twice(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    cells = pd.read_csv(run / "cells.csv")
    pd.concat([cells, cells.tail(1)]).to_csv(run / "cells.csv", index=False)
    with pytest.raises(OccbenchError, match="two rows for part-blur:hip"):
        load_run(run)


@pytest.mark.parametrize(("column", "value"), [("ap", "much"), ("radius", "")])
def test_values_that_are_no_number(tmp_path: Path, column: str, value: str) -> None:
    run = write_fake_run(tmp_path)
    cells = pd.read_csv(run / "cells.csv", dtype=str, keep_default_na=False)
    cells.loc[9, column] = value
    cells.to_csv(run / "cells.csv", index=False)
    with pytest.raises(OccbenchError, match="line 11"):
        load_run(run)


def test_empty_cells_file(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    (run / "cells.csv").write_text("")
    with pytest.raises(OccbenchError, match=r"cells\.csv cannot be read as CSV"):
        load_run(run)


def test_missing_crops_are_left_out_with_a_note(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path)
    (run / "examples" / "keypoint-blackout_nose_r6_centred-worst.png").unlink()
    read = load_run(run)
    assert len(read.examples) == 3 * 4 - 1
    assert read.notes == ("1 of 12 examples are not shown: their pictures are missing.",)


@pytest.mark.parametrize("content", ["{", "3", json.dumps([{"slug": "x"}])])
def test_damaged_examples_are_left_out_with_a_note(tmp_path: Path, content: str) -> None:
    run = write_fake_run(tmp_path)
    (run / "examples" / "examples.json").write_text(content)
    read = load_run(run)
    assert read.examples == ()
    assert "damaged" in read.notes[0]


def test_an_example_cannot_name_a_file_outside_its_folder(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run")
    (tmp_path / "secret.png").write_bytes(b"x")
    file = run / "examples" / "examples.json"
    entries = json.loads(file.read_text())
    entries[0]["clean"] = "../../secret.png"
    file.write_text(json.dumps(entries))
    assert len(load_run(run).examples) == len(entries) - 1
