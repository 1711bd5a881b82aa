"""The rows of single cells, kept beside the predictions, so that a run that grows scores only what is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..attacks import FILLS, Attack
from ..data.persons import Dataset
from ..evaluation.cells import EVALUATION
from ..inference.predictions import cell_slug
from ..runs import about, durable
from ..system.processes import spread
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
    processes: int | None = None,
) -> list[dict[str, Any]]:
    """Score every cell of a run for the tables that have rows by cell; they are then ``run.scored``.

    Args:
        run: The run.
        tables: Some of which are :class:`~.table.PerCell`.
        key: Of a cell's identity: rows that were kept under it are used, others computed and kept. None: all are
            computed, and nothing is written.
        advance: Told that a cell is scored.
        processes: That score cells at the same time; None for one a core where there is enough to do.

    Returns:
        What the manifest says of each cell.

    Raises:
        OccbenchError: Predictions cannot be read, or the folder cannot be written.
    """
    by_cell = [table for table in tables if isinstance(table, PerCell)]
    identities = {} if key is None else {attack: _identity(run, attack, key) for attack in run.cells}
    there = {attack: _read(_path(run, attack), identity, by_cell) for attack, identity in identities.items()}
    run.scored.update({attack: scored for attack, scored in there.items() if scored is not None})
    missing = [attack for attack in run.cells if there.get(attack) is None]
    advance(len(run.cells) - len(missing))
    if processes is None:
        processes = run.processes(len(missing))
    for attack, scored in _computed(run, missing, by_cell, processes):
        if attack in identities:
            scored = {"identity": identities[attack], **scored}
            with durable.explained(run.folder):
                durable.write(_path(run, attack), json.dumps(scored, allow_nan=False).encode())
        run.scored[attack] = scored
        advance(1)
    return [run.scored[attack]["about"] for attack in run.cells]


def _computed(
    run: FinishedRun, attacks: Sequence[Attack | None], tables: Sequence[PerCell], processes: int
) -> Iterator[tuple[Attack | None, dict[str, Any]]]:
    """Cells and their rows."""
    if not attacks:
        return
    first, *others = attacks  # what is made once, such as the draws of the clean cell, is made before it is shared
    yield first, _compute(run, first, tables)
    groups = by_region([attack for attack in others if attack is not None])
    rows = spread(lambda group: [_compute(run, attack, tables) for attack in group], groups, processes)
    for group, scored in zip(groups, rows, strict=True):
        yield from zip(group, scored, strict=True)


def by_region(attacks: Sequence[Attack]) -> list[list[Attack]]:
    """The attacks on one part that differ by their fill together, the largest groups first.

    They leave the same keypoints, whose figures in the clean cell a process makes once for all of them.
    """
    groups: dict[Attack, list[Attack]] = {}
    for attack in attacks:
        groups.setdefault(replace(attack, fill=FILLS[0]) if attack.level == "part" else attack, []).append(attack)
    return sorted(groups.values(), key=len, reverse=True)


def _compute(run: FinishedRun, attack: Attack | None, tables: Sequence[PerCell]) -> dict[str, Any]:
    cell = run.read(attack)
    rows = {
        table.kept_as: [plain(row) for row in table.of_cell(run, cell)] if table.applies(run) else []
        for table in tables
    }
    return {**rows, "about": about.cell(cell)}


def _path(run: FinishedRun, attack: Attack | None) -> Path:
    return run.folder / FOLDER / f"{cell_slug(attack)}.json"


def _identity(run: FinishedRun, attack: Attack | None, key: Callable[[Attack | None], str]) -> dict[str, Any]:
    """What decides the rows of a cell."""
    scoring = {"version": EVALUATION, **run.scoring.plain()}
    return {"cell": key(attack), "clean": key(None), "scoring": scoring, "yardstick": yardstick(run.dataset)}


def _read(path: Path, identity: Mapping[str, Any], tables: Sequence[PerCell]) -> dict[str, Any] | None:
    """The rows that are kept of a cell; None where there are none of this identity, or a table's are lacking."""
    try:
        kept = json.loads(path.read_text())
        if kept["identity"] == identity and all(name in kept for name in ("about", *(t.kept_as for t in tables))):
            return dict(kept)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def yardstick(dataset: Dataset) -> str:
    """What decides the scores besides the predictions and the annotations: the metric, its lengths, the levels."""
    digest = hashlib.sha256(dataset.metric.encode())
    if dataset.lengths is not None:
        digest.update(dataset.lengths.tobytes())
    for image, level in sorted((dataset.levels or {}).items()):
        digest.update(f"{image}:{level};".encode())
    return digest.hexdigest()
