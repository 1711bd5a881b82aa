"""The rows of single cells, kept beside the predictions, so that a run that grows scores only what is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.cells import EVALUATION
from ..inference.predictions import cell_slug
from ..runs import about, durable
from .finished import FinishedRun
from .rows import plain
from .table import PerCell, Table

FOLDER = "scores"
"""Where in a run they lie, one file a cell."""


def score_cells(
    run: FinishedRun,
    tables: Sequence[Table],
    key: Callable[[Attack | None], str] | None = None,
    advance: Callable[[int], None] = lambda cells: None,
) -> list[dict[str, Any]]:
    """Score every cell of a run for the tables that have rows by cell; they are then ``run.scored``.

    Args:
        run: The run.
        tables: Some of which are :class:`~.table.PerCell`.
        key: Of a cell's identity: rows that were kept under it are used, others computed and kept. None: all are
            computed, and nothing is written.
        advance: Told that a cell is scored.

    Returns:
        What the manifest says of each cell.

    Raises:
        OccbenchError: Predictions cannot be read, or the folder cannot be written.
    """
    by_cell = [table for table in tables if isinstance(table, PerCell)]
    lines = []
    for attack in run.cells:
        scored = _compute(run, attack, by_cell) if key is None else _kept(run, attack, by_cell, key)
        run.scored[attack] = scored
        lines.append(scored["about"])
        advance(1)
    return lines


def _compute(run: FinishedRun, attack: Attack | None, tables: Sequence[PerCell]) -> dict[str, Any]:
    cell = run.read(attack)
    rows = {
        table.kept_as: [plain(row) for row in table.of_cell(run, cell)] if table.applies(run) else []
        for table in tables
    }
    return {**rows, "about": about.cell(cell)}


def _kept(
    run: FinishedRun, attack: Attack | None, tables: Sequence[PerCell], key: Callable[[Attack | None], str]
) -> Mapping[str, Any]:
    path = run.folder / FOLDER / f"{cell_slug(attack)}.json"
    scoring = {"version": EVALUATION, **run.scoring.plain()}
    identity = {"cell": key(attack), "clean": key(None), "scoring": scoring, "yardstick": yardstick(run.dataset)}
    try:
        kept = json.loads(path.read_text())
        if kept["identity"] == identity and all(name in kept for name in ("about", *(t.kept_as for t in tables))):
            return dict(kept)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    scored = {"identity": identity, **_compute(run, attack, tables)}
    with durable.explained(run.folder):
        durable.write(path, json.dumps(scored, allow_nan=False).encode())
    return scored


def yardstick(dataset: Dataset) -> str:
    """What decides the scores besides the predictions and the annotations: the metric, its lengths, the levels."""
    digest = hashlib.sha256(dataset.metric.encode())
    if dataset.lengths is not None:
        digest.update(dataset.lengths.tobytes())
    for image, level in sorted((dataset.levels or {}).items()):
        digest.update(f"{image}:{level};".encode())
    return digest.hexdigest()
