"""Predictions on disk: typed, compact, and with the identity of their cell in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..attacks import Attack, Placement
from ..data.persons import Dataset
from ..inference.predictions import PHOTO_GEOMETRY, CellPredictions
from ..system.errors import OccbenchError
from . import photo_table
from .durable import write

if TYPE_CHECKING:
    import pandas as pd

_IDENTITY = b"occbench"


def write_cell(path: Path, cell: CellPredictions, identity: Mapping[str, Any], dataset: Dataset | None = None) -> None:
    """Write a cell, durably: one row per person, lists of K and 2K values, the identity in the file's metadata.

    Of an estimator that sees whole photos there is one row per photo (:mod:`.photo_table`).

    Args:
        path: Where.
        cell: The cell.
        identity: Of what decided it.
        dataset: Whose photos and persons; needed where there is a row per photo.
    """
    note = {"identity": identity, "attack": None if cell.attack is None else asdict(cell.attack)}
    columns = (
        _columns(cell) if dataset is None or cell.found is None else photo_table.columns(cell, cell.found, dataset)
    )
    table = pa.table(columns).replace_schema_metadata({_IDENTITY: json.dumps(note, sort_keys=True)})
    file = BytesIO()
    pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    write(path, file.getvalue())


def _columns(cell: CellPredictions) -> dict[str, pa.Array]:
    n = len(cell)
    columns = {
        "keypoints": _lists(cell.keypoints.reshape(n, -1), pa.float32()),
        "scores": _lists(cell.scores, pa.float32()),
        "attacked": pa.array(cell.attacked),
        "covered": _lists(cell.covered, pa.bool_()),
        "missing": pa.array(cell.missing, pa.int16()),
        "centres": _lists(cell.centres.reshape(n, -1), pa.float32()),
    }
    if cell.attack is not None and cell.attack.fill == "object":
        columns["pixels"] = _lists(cell.pixels, pa.float32())
    if cell.stages.shape[1]:
        columns["stages"] = _lists(cell.stages.reshape(n, -1), pa.float32())
    if cell.visibility.shape[1]:
        columns["visibility"] = _lists(cell.visibility, pa.float32())
    return columns


def _lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Rows of a matrix (N, M) as lists of one length."""
    flat = pa.array(np.ascontiguousarray(values).ravel(), kind)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if values.shape[1] else _no_lists(len(values), kind)


def _no_lists(n: int, kind: pa.DataType) -> pa.Array:
    return pa.array([[]] * n, pa.list_(kind))


def read_identity(path: Path) -> tuple[Attack | None, dict[str, Any]] | None:
    """The attack and the identity that a cell's file names; None for a file that is no whole cell."""
    try:
        note = json.loads((pq.read_schema(path).metadata or {})[_IDENTITY])
        given = note["attack"]
        attack = None if given is None else Attack(**{**given, "placement": Placement(**given["placement"])})
        return attack, dict(note["identity"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def read_cell(path: Path) -> CellPredictions:
    """Read what :func:`write_cell` wrote.

    Raises:
        OccbenchError: The file is missing, damaged, or no cell of occbench.
    """
    try:
        found = read_identity(path)
        table = pq.read_table(path, page_checksum_verification=True)
        if found is None:
            raise ValueError("it names no cell")
        if photo_table.MARK in table.column_names:
            return photo_table.cell(table, found[0])
        n = table.num_rows
        keypoints, covered = _matrix(table, "keypoints", np.float32), _matrix(table, "covered", bool)
        cell = CellPredictions(
            found[0],
            keypoints.reshape(n, -1, 2),
            _matrix(table, "scores", np.float32),
            table["attacked"].to_numpy().astype(bool),
            covered,
            table["missing"].to_numpy().astype(np.int16),
            _matrix(table, "centres", np.float32).reshape(n, -1, 2),
            _matrix(table, "pixels", np.float32) if "pixels" in table.column_names else np.zeros((n, 2), np.float32),
            _stages(table, keypoints.shape[1] // 2),
            _matrix(table, "visibility", np.float32) if "visibility" in table.column_names else _nothing(n),
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OccbenchError(
            f"predictions {str(path)!r} cannot be read ({reason}); the command of the run, given again, mends it"
        ) from error
    if (
        not len(cell.keypoints) == len(cell.scores) == len(cell.covered)
        or cell.keypoints.shape[:2] != cell.scores.shape
    ):
        raise OccbenchError(f"predictions {str(path)!r} hold columns of different lengths; measure the cell again")
    return cell


def _nothing(rows: int) -> np.ndarray:
    return np.zeros((rows, 0), np.float32)


def _stages(table: pa.Table, keypoints: int) -> np.ndarray:
    if "stages" not in table.column_names:
        return np.zeros((table.num_rows, 0, keypoints, 2), np.float32)
    return _matrix(table, "stages", np.float32).reshape(table.num_rows, -1, keypoints, 2)


def _matrix(table: pa.Table, name: str, kind: type) -> np.ndarray:
    column = table[name].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(kind)
    return flat.reshape(table.num_rows, len(flat) // max(1, table.num_rows))


def persons_table(dataset: Dataset, geometry: np.ndarray) -> pd.DataFrame:
    """persons.parquet: one row per box, in the order of every cell's rows.

    Args:
        dataset: Whose boxes.
        geometry: Shape (N, 5) or (N, 7), float32, columns ``GEOMETRY`` or ``PHOTO_GEOMETRY``.
    """
    import pandas as pd

    persons = dataset.persons
    table = pd.DataFrame(
        {
            "id": np.array([p.id for p in persons], np.int64),
            "annotation": pd.array([p.annotation for p in persons], dtype="Int64"),
            "image_id": np.array([p.photo.id for p in persons], np.int64),
            "file_name": [p.photo.file_name for p in persons],
            "score": np.array([p.score for p in persons], np.float64),
        }
    )
    boxes = np.array([p.box for p in persons], np.float32).reshape(-1, 4)
    for i, name in enumerate(("x1", "y1", "x2", "y2")):
        table[name] = boxes[:, i]
    for i, name in enumerate(PHOTO_GEOMETRY[: geometry.shape[1]]):
        table[name] = geometry[:, i]
    table["area"] = table["scale_w"] * table["scale_h"]
    return table


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, durably."""
    file = BytesIO()
    pq.write_table(
        pa.Table.from_pandas(table, preserve_index=False), file, compression="zstd", write_page_checksum=True
    )
    write(path, file.getvalue())


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table of a run.

    Raises:
        OccbenchError: It is missing or damaged.
    """
    try:
        table: pd.DataFrame = pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise OccbenchError(f"{str(path)!r} cannot be read: it is missing or damaged; measure the run again") from error
    return table
