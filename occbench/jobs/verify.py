"""Check a run: the hash of every file, and every table from the predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..evaluation.cells import EVALUATION
from ..runs.manifest import broken_seal, read_manifest
from ..runs.parquet import read_table
from ..runs.store import PERSONS
from ..tables.all import TABLES
from ..tables.finished import FinishedRun
from ..tables.kept import score_cells
from ..tables.table import Table, as_csv
from .reopen import finished_run
from .rescore import older_scores


@dataclass(frozen=True)
class Verdict:
    """What became of checking a run.

    Attributes:
        wrong: What is not as it was written, a line each; nothing for a run that is as it was.
        tables: The files that were computed again.
        absent: Those that this occbench would make of the run, but that it was written without: it is older than they.
    """

    wrong: tuple[str, ...]
    tables: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def verify(
    run: Path,
    data: Path | None = None,
    images: Path | None = None,
    advance: Callable[[int], None] = lambda cells: None,
) -> Verdict:
    """Compare a run with its hashes, and its tables with what its predictions give.

    Args:
        run: The run folder.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise; photos themselves are not looked at.
        advance: Told that a cell is scored again.

    Raises:
        OccbenchError: It is no finished run, or its annotations or detections cannot be found or are others.
    """
    wrong = broken_seal(run)
    if wrong:
        return Verdict(tuple(wrong))  # figures from damaged predictions say nothing more
    if read_manifest(run).get("evaluation", 1) != EVALUATION:
        return Verdict((older_scores(run),))
    finished = finished_run(run, data, images)
    if read_table(run / PERSONS)["id"].tolist() != [person.id for person in finished.dataset.persons]:
        return Verdict((f"{PERSONS} lists other boxes than the annotations give",))
    score_cells(finished, TABLES, advance=advance)
    sealed = read_manifest(run)["seal"]["files"]
    written = [table for table in TABLES if table.file in sealed]
    found = [line for table in written if (line := _wrong(table, finished)) is not None]
    absent = [table.file for table in TABLES if table not in written and table.applies(finished)]
    return Verdict(tuple(found), tuple(table.file for table in written), tuple(absent))


def _wrong(table: Table, run: FinishedRun) -> str | None:
    """What is wrong with a table that is there."""
    if not table.applies(run):
        return f"{table.file} is there, but its run has nothing for it"
    written, again = (run.folder / table.file).read_bytes(), as_csv(table.of(run))
    return None if again == written else _difference(table.file, written, again)


def _difference(name: str, written: bytes, again: bytes) -> str:
    """The first line of a table that is another one."""
    before, after = written.decode().splitlines(), again.decode().splitlines()
    if len(before) != len(after):
        return f"{name} has {len(before)} lines, but its predictions give {len(after)}"
    line = next(i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return f"{name}, line {line + 1}: written {before[line][:160]!r}, but its predictions give {after[line][:160]!r}"
