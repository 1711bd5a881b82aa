"""Score a finished run anew, by the present rule, from its predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..evaluation.cells import EVALUATION
from ..runs import durable
from ..runs.manifest import broken_seal, read_manifest, write_manifest
from ..system.errors import OccbenchError
from ..tables.all import TABLES
from ..tables.kept import score_cells
from ..tables.table import as_csv
from .reopen import finished_run


def older_scores(run: Path) -> str:
    """What is said of a run whose scores are not by the present rule."""
    return f"its scores are of an older rule: `occbench report --rescore {run}` makes them anew from its predictions"


def rescore(
    run: Path,
    data: Path | None = None,
    images: Path | None = None,
    advance: Callable[[int], None] = lambda cells: None,
) -> None:
    """Write every table of a run anew; the predictions stay as they are, and the run is sealed again.

    Args:
        run: The run folder.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise; photos themselves are not looked at.
        advance: Told that a cell is scored.

    Raises:
        OccbenchError: It is no finished run, its files are not as they were sealed, or its annotations or detections
            cannot be found or are others.
    """
    wrong = [line for line in broken_seal(run) if not line.startswith(("report.html ", "plots/", "tables/"))]
    if wrong:
        raise OccbenchError(f"{str(run)!r} is not as it was written, so it is not scored anew: {wrong[0]}")
    manifest, finished = read_manifest(run), finished_run(run, data, images)
    score_cells(finished, TABLES, advance=advance)
    written = {table.file: as_csv(table.of(finished)) for table in TABLES if table.applies(finished)}
    with durable.explained(run):
        for table in TABLES:
            if table.file in written:
                durable.write(run / table.file, written[table.file])
            else:
                (run / table.file).unlink(missing_ok=True)
        kept = {key: value for key, value in manifest.items() if key not in ("schema", "occbench")}
        write_manifest(run, {**kept, "evaluation": EVALUATION})
