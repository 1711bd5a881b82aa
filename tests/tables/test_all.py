"""All tables of a run: one more of them, verified and read back, and what is written about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from occbench.inference.predictions import CellPredictions
from occbench.runs.manifest import reseal
from occbench.system.errors import OccbenchError
from occbench.tables.all import TABLES, find_table, read_table
from occbench.tables.finished import FinishedRun
from occbench.tables.reference import reference
from occbench.tables.rows import Row, cell_columns
from occbench.tables.table import CELL, RUN, Column, PerCell, Table, number

from ..command_line import Answer, Occbench, People, TinyModel

DOCS = Path(__file__).parents[2] / "docs" / "tables.md"
RUNNING = Path(__file__).parents[2] / "docs" / "running.md"


class Reach(Table):
    """A made-up table of the whole run."""

    name = "reach"
    about = "one row per cell"
    columns: ClassVar[Mapping[str, Column]] = {**RUN, **CELL, "farthest": number("largest coordinate, image px")}

    def rows(self, run: FinishedRun) -> list[Row]:
        return [cell_columns(a) | {"farthest": float(run.read(a).keypoints.max())} for a in run.cells]


class Boldness(PerCell):
    """A made-up table by cell."""

    name = "boldness"
    kept_as = "boldness"
    about = "one row per cell"
    columns: ClassVar[Mapping[str, Column]] = {**CELL, "boldest": number("largest score")}

    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        return [cell_columns(cell.attack) | {"boldest": cell.scores.max()}]


class Never(Table):
    """A made-up table that no run has."""

    name = "never"
    about = "nothing"
    needs = "what there is not"
    columns: ClassVar[Mapping[str, Column]] = {**RUN}

    def applies(self, run: FinishedRun) -> bool:
        return False

    def rows(self, run: FinishedRun) -> list[Row]:
        raise AssertionError("it does not apply")


def attack(occbench: Occbench, people: People, tiny: TinyModel) -> Answer:
    return occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations, "--out", "run"),
        *("--kind", "keypoint-blackout", "--target", "nose,left_hip", "--radius", 3, "--bootstrap", 20),
    )


@pytest.fixture
def more() -> Iterator[None]:
    """Three tables more."""
    before = len(TABLES)
    TABLES.extend([Reach(), Boldness(), Never()])
    yield
    del TABLES[before:]


def test_one_more_table_is_written_verified_and_read_back(
    shared_people: People, tiny: TinyModel, occbench: Occbench, more: None, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert attack(occbench, shared_people, tiny).code == 0
    assert not (run / "never.csv").exists()
    answer = occbench("verify", "run")
    assert answer.code == 0
    names = ("cells", "confidence", "knows", "errors", "shares", "natural", "reach", "boldness")
    assert f"of 3 cells give {', '.join(f'{name}.csv' for name in names)}\n" in answer.out
    reach, bold = read_table(run, "reach"), read_table(run, "boldness")
    assert list(reach.columns) == [*RUN, *CELL, "farthest"]
    assert reach["level"].tolist() == ["clean", "keypoint", "keypoint"]
    assert reach["model"].tolist() == ["tiny"] * 3
    assert reach["radius"].dtype == reach["farthest"].dtype == bold["boldest"].dtype == np.float64
    assert bold["target"].tolist()[1:] == ["nose", "left_hip"]
    assert pd.isna(bold["target"][0])
    with pytest.raises(OccbenchError, match=r"has no never\.csv, which needs what there is not"):
        read_table(run, "never")
    # Kept rows give the same table, and rows that were kept before a table was there are made again.
    before = (run / "boldness.csv").read_bytes()
    assert attack(occbench, shared_people, tiny).code == 0
    assert (run / "boldness.csv").read_bytes() == before
    kept = run / "scores" / "clean.json"
    content = kept.read_text()
    kept.write_text(content.replace('"boldness"', '"coldness"'))
    assert attack(occbench, shared_people, tiny).code == 0
    assert kept.read_text() == content
    for name in ("reach", "boldness", "confidence", "natural"):
        table = run / f"{name}.csv"
        written = table.read_text()
        lines = written.splitlines()
        table.write_text("\n".join([*lines[:-1], lines[-1] + "1"]) + "\n")
        reseal(run)
        answer = occbench("verify", "run")
        assert answer.code == 3
        assert f"{name}.csv, line {len(lines)}: written" in answer.out
        table.write_text(written)
    (run / "never.csv").write_text("model,dataset,boxes,protocol\n")
    reseal(run)
    answer = occbench("verify", "run")
    assert (answer.code, "never.csv is there, but its run has nothing for it" in answer.out) == (3, True)


def test_a_run_from_before_a_table_is_intact_and_says_so(
    shared_people: People, tiny: TinyModel, occbench: Occbench
) -> None:
    assert attack(occbench, shared_people, tiny).code == 0
    reach = Reach()
    TABLES.append(reach)
    try:
        answer = occbench("verify", "run")
    finally:
        TABLES.remove(reach)
    assert answer.code == 0
    assert "the run is older than reach.csv" in answer.out
    with pytest.raises(OccbenchError, match="unknown table 'reach'"):
        find_table("reach")


def test_a_table_is_read_as_its_columns_say(tmp_path: Path) -> None:
    (tmp_path / "confidence.csv").write_text("level,target,radius,n,more\nclean,,,3,x\npart,NA,6,4,y\n")
    table = read_table(tmp_path, "confidence")
    assert list(table.columns) == list(find_table("confidence").columns)
    assert table["n"].tolist() == [3, 4]
    assert table["target"].tolist()[1] == "NA", "a word, not a missing one"
    assert pd.isna(table["target"][0])
    assert table[["fill", "error"]].isna().all(axis=None), "an older run lacks columns"
    assert {str(table[name].dtype) for name in ("fill", "target", "level")} == {"object"}
    (tmp_path / "confidence.csv").write_text("level,n\nclean,many\n")
    with pytest.raises(OccbenchError, match=r"confidence\.csv' cannot be read .*many"):
        read_table(tmp_path, "confidence")


def test_names_and_columns_are_told_apart() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)
    kept = [table.kept_as for table in TABLES if isinstance(table, PerCell)]
    assert len(set(kept)) == len(kept)
    assert not {"identity", "about"} & set(kept), "names of what else is kept"
    for table in TABLES:
        for line in (table.about, table.needs, *(column.meaning for column in table.columns.values())):
            assert line, table.name
            assert "\n" not in line, table.name
            assert line.endswith("...") or not line.endswith("."), table.name


def test_the_reference_is_the_tables() -> None:
    assert DOCS.read_text() == reference(), "python -m occbench.tables.reference > docs/tables.md"
    running = RUNNING.read_text()
    for table in TABLES:
        assert f"`{table.file}`" in running
    assert "tables.md" in running
