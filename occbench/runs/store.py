"""Cells on disk: what of a run is there already, and where the engine puts the rest.

A finished cell is one file, ``predictions/SLUG.parquet``, that carries the identity of what decided it. While a cell
is being computed, its pieces (a chunk of persons each) lie in ``.work/KEY/``, so that a run that was stopped goes on
from the last finished chunk, and several processes can share the work: the folder is all they share.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import Attack, Skeleton
from ..data.persons import Dataset
from ..inference.plan import Chunk
from ..inference.predictions import ARRAYS, GEOMETRY, CellPredictions, FoundPersons, cell_slug
from ..system.errors import OccbenchError
from .durable import TEMPORARY, explained, write
from .identity import Identity, cell_identity, changes, key_of
from .parquet import persons_table, read_cell, read_identity, read_table, write_cell, write_table

PREDICTIONS = "predictions"
PERSONS = "persons.parquet"
DETECTIONS = "detections.json"
CALLS = "calls"
"""Folder of what became of each call of a program."""

WORK = ".work"
REFERENCE = "clean-fp32"
"""The clean cell in full precision, beside a run in reduced precision; it is no cell of the run."""


@dataclass(frozen=True)
class Found:
    """What a run folder holds of the cells that are asked for.

    Attributes:
        reused: Cells (None: the clean one) whose predictions are there.
        again: Slugs of the cells that are there, but have to be computed again, with what changed.
        kept: Finished cells of an earlier command that belong to the same run.
    """

    reused: tuple[Attack | None, ...]
    again: Mapping[str, str]
    kept: tuple[Attack, ...]


def find_cells(out: Path, context: Identity, attacks: Sequence[Attack], seed: int) -> Found:
    """Look through the finished cells of a run folder.

    Args:
        out: The run folder; it may be missing.
        context: What all cells of the run share.
        attacks: What is asked for; the clean cell always is.
        seed: Of random placements.
    """
    wanted = {cell_slug(attack): attack for attack in (None, *attacks)}
    reused: list[Attack | None] = []
    kept: list[Attack] = []
    again: dict[str, str] = {}
    for path in sorted((out / PREDICTIONS).glob("*.parquet")):
        found = read_identity(path)
        attack, identity = found if found is not None else (None, {})
        if found is not None and path.stem == cell_slug(attack):
            differs = changes(identity, cell_identity(context, attack, seed))
            why = ", ".join(differs) or ("" if _readable(path) else "the file is damaged")
        else:
            why = "the file is damaged"
        if path.stem in wanted and not why:
            reused.append(wanted[path.stem])
        elif path.stem in wanted:
            again[path.stem] = why
        elif attack is not None and not why:
            kept.append(attack)
    if None in reused and not (out / PERSONS).is_file():
        reused.remove(None)
        again["clean"] = f"{PERSONS} is missing"
    return Found(tuple(reused), again, tuple(kept))


def _readable(path: Path) -> bool:
    with contextlib.suppress(OccbenchError):
        read_cell(path)
        return True
    return False


def in_order(attacks: Sequence[Attack], skeleton: Skeleton) -> list[Attack]:
    """Attacks in the order of a run's tables: by level, fill, target, radius and placement."""
    from ..attacks import FILLS, LEVELS, PLACEMENTS

    def rank(attack: Attack) -> tuple[int, int, int, float, int, int]:
        place = attack.placement
        level, fill = LEVELS.index(attack.level), FILLS.index(attack.fill)
        target = list(skeleton.targets(attack.level)).index(attack.target)
        return level, fill, target, attack.radius, PLACEMENTS.index(place.kind), place.decoys

    return sorted(dict.fromkeys(attacks), key=rank)


class Store:
    """The engine's sink in a run folder.

    Args:
        out: The run folder; it must exist.
        context: What all cells of the run share.
        seed: Of random placements.
        reused: Cells that are finished.
        clean: Name of the clean cell; :data:`REFERENCE` for a clean cell beside that of the run.
    """

    def __init__(
        self, out: Path, context: Identity, seed: int, reused: Sequence[Attack | None] = (), clean: str = "clean"
    ) -> None:
        self._out = out
        self._context = context
        self._seed = seed
        self._clean_name = clean
        self._finished = set(reused)
        self._clean: tuple[CellPredictions, np.ndarray] | None = None
        self.computed = 0
        """Pieces that were put here."""

    def identity(self, attack: Attack | None) -> dict[str, Any]:
        """Of a cell of this run."""
        return cell_identity(self._context, attack, self._seed)

    def path(self, attack: Attack | None) -> Path:
        """Where the cell lies when it is finished."""
        slug = self._clean_name if attack is None else attack.slug
        return self._out / PREDICTIONS / f"{slug}.parquet"

    def _piece(self, attack: Attack | None, chunk: Chunk) -> Path:
        return self._out / WORK / key_of(self.identity(attack))[:32] / f"{chunk.index:06d}.npz"

    def has(self, attack: Attack | None, chunk: Chunk) -> bool:
        """See :class:`~occbench.inference.engine.Sink`."""
        return attack in self._finished or self._piece(attack, chunk).is_file()

    def clean(self, chunk: Chunk) -> CellPredictions:
        """See :class:`~occbench.inference.engine.Sink`."""
        if None not in self._finished:
            return self._read(None, chunk)[0]
        return self._finished_clean()[0].rows(chunk.rows, chunk.images)

    def geometry(self, chunk: Chunk) -> np.ndarray:
        """See :class:`~occbench.inference.engine.Sink`."""
        if None not in self._finished:
            return self._read(None, chunk)[1]
        return self._finished_clean()[1][chunk.rows]

    def _finished_clean(self) -> tuple[CellPredictions, np.ndarray]:
        if self._clean is None:
            self._clean = read_cell(self.path(None)), read_geometry(self._out)
        return self._clean

    def put(self, chunk: Chunk, piece: CellPredictions, geometry: np.ndarray | None = None) -> None:
        """See :class:`~occbench.inference.engine.Sink`.

        Raises:
            OccbenchError: The model predicts NaN or infinity, or the disk is full.
        """
        numbers = piece if piece.found is None else piece.found
        if not all(np.isfinite(a).all() for a in (numbers.keypoints, numbers.scores, piece.stages)):
            raise OccbenchError(f"the model predicts NaN or infinity in cell {piece.slug}: check the weights")
        arrays = {name: getattr(piece, name) for name in ARRAYS}
        for part, people in (("found", piece.found), ("regrouped", piece.regrouped)):
            if people is not None:
                arrays |= {f"{part}_{field.name}": getattr(people, field.name) for field in fields(FoundPersons)}
        if geometry is not None:
            arrays["geometry"] = geometry
        file = BytesIO()
        np.savez(file, **arrays)
        with explained(self._out):
            write(self._piece(piece.attack, chunk), file.getvalue())
        self.computed += 1

    def _read(self, attack: Attack | None, chunk: Chunk) -> tuple[CellPredictions, np.ndarray]:
        path = self._piece(attack, chunk)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found, regrouped = (
                    FoundPersons(**{field.name: arrays[f"{part}_{field.name}"] for field in fields(FoundPersons)})
                    if f"{part}_image" in arrays
                    else None
                    for part in ("found", "regrouped")
                )
                kept = {name: arrays[name] for name in ARRAYS if name in arrays}
                n, k = kept["keypoints"].shape[:2]
                for name, shape in (("pixels", (n, 2)), ("visibility", (n, 0)), ("stages", (n, 0, k, 2))):
                    kept.setdefault(name, np.zeros(shape, np.float32))  # of an older occbench
                cell = CellPredictions(attack, **kept, found=found, regrouped=regrouped)
                geometry = arrays["geometry"] if attack is None else np.empty((0, len(GEOMETRY)))
            if len(cell) != len(chunk):
                raise ValueError("it has another length")
        except Exception as error:  # a damaged archive can raise anything
            with contextlib.suppress(OSError):
                path.unlink()
            raise OccbenchError(
                f"{str(path)!r} was damaged ({error}) and is removed: give the same command again"
            ) from error
        return cell, geometry

    def finish(self, attack: Attack | None, chunks: Sequence[Chunk], dataset: Dataset) -> None:
        """Put the pieces of a cell together; from now on the cell is there."""
        if attack in self._finished:
            return
        pieces = [self._read(attack, chunk) for chunk in chunks]
        cell = CellPredictions.joined([piece for piece, _ in pieces])
        with explained(self._out):
            if attack is None and self._clean_name != REFERENCE:
                geometry = np.concatenate([found for _, found in pieces])
                write_table(self._out / PERSONS, persons_table(dataset, geometry))
            write_cell(self.path(attack), cell, self.identity(attack), dataset)
        self._finished.add(attack)

    def read(self, attack: Attack | None) -> CellPredictions:
        """A finished cell."""
        return read_cell(self.path(attack))


def read_geometry(out: Path) -> np.ndarray:
    """The crops' geometry of a run, (N, 5), float32, columns ``GEOMETRY``."""
    return read_table(out / PERSONS)[list(GEOMETRY)].to_numpy(np.float32)


def tidy(out: Path, cells: Sequence[Attack | None], reference: bool = False) -> list[str]:
    """Remove what is not of the run: pieces, unfinished files, other cells, and the pictures of an earlier report.

    Args:
        out: The run folder.
        cells: Those of the run.
        reference: Whether the clean cell in full precision belongs to it.

    Returns:
        The slugs of removed cells.
    """
    for name in (WORK, "examples", "plots", "tables"):
        shutil.rmtree(out / name, ignore_errors=True)
    for path in out.rglob(f"{TEMPORARY}*"):
        path.unlink()
    names = {cell_slug(attack) for attack in cells} | ({REFERENCE} if reference else set())
    removed = []
    for folder in (PREDICTIONS, "scores", CALLS):
        for path in sorted((out / folder).glob("*")):
            if path.stem not in names:
                path.unlink()
                removed += [path.stem] if folder == PREDICTIONS and path.stem != REFERENCE else []
    return removed
