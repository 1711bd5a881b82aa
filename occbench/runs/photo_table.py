"""The predictions of an estimator that sees whole photos as columns: one row per photo, every value a list.

``found_*`` has the persons that were found, one after another; the other columns the annotated persons of the photo, in
the order of persons.parquet. ``found_person`` is the place of the annotated person among all of these, -1 for nobody.
``regrouped_*``, of an estimator with tags, has the persons that the same joints are under the true grouping.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ..attacks import Attack
from ..data.persons import Dataset
from ..inference.predictions import CellPredictions, FoundPersons

MARK = "found_keypoints"
"""The column that other cells do not have."""

REGROUPED = "regrouped_keypoints"
"""The column that cells of estimators without tags do not have."""


def columns(cell: CellPredictions, found: FoundPersons, dataset: Dataset) -> dict[str, pa.Array]:
    """The columns of a cell.

    Args:
        cell: Whose rows are the data set's persons.
        found: Its ``found``, photo by photo in the order of the data set.
        dataset: Whose photos.
    """
    images = np.array(list(dataset.photos), dtype=np.int64)
    theirs = _starts(images, found.image)
    persons = _starts(images, np.array([p.photo.id for p in dataset.persons], dtype=np.int64))
    found_columns = {
        "image_id": pa.array(images),
        MARK: _lists(theirs, found.keypoints, pa.float32()),
        "found_keypoint_scores": _lists(theirs, found.keypoint_scores, pa.float32()),
        "found_scores": _lists(theirs, found.scores, pa.float32()),
        "found_person": _lists(theirs, found.person, pa.int32()),
        "attacked": _lists(persons, cell.attacked, pa.bool_()),
        "covered": _lists(persons, cell.covered, pa.bool_()),
        "missing": _lists(persons, cell.missing, pa.int16()),
        "centres": _lists(persons, cell.centres, pa.float32()),
    }
    if cell.regrouped is not None:
        each = _starts(images, cell.regrouped.image)
        found_columns |= {
            REGROUPED: _lists(each, cell.regrouped.keypoints, pa.float32()),
            "regrouped_keypoint_scores": _lists(each, cell.regrouped.keypoint_scores, pa.float32()),
            "regrouped_scores": _lists(each, cell.regrouped.scores, pa.float32()),
        }
    if cell.attack is not None and cell.attack.fill == "object":
        found_columns["pixels"] = _lists(persons, cell.pixels, pa.float32())
    return found_columns


def cell(table: pa.Table, attack: Attack | None) -> CellPredictions:
    """A cell of its columns.

    Raises:
        ValueError: They contradict each other.
        KeyError: One is missing.
    """
    scores, counts = _flat(table, "found_scores", np.float32)
    attacked, _ = _flat(table, "attacked", bool)
    covered, _ = _flat(table, "covered", bool)
    keypoint_scores, _ = _flat(table, "found_keypoint_scores", np.float32)
    d, n = len(scores), len(attacked)
    k = len(covered) // n if n else len(keypoint_scores) // max(1, d)
    found = FoundPersons(
        np.repeat(table["image_id"].to_numpy(), counts).astype(np.int64),
        _flat(table, MARK, np.float32)[0].reshape(d, k, 2),
        keypoint_scores.reshape(d, k),
        scores,
        _flat(table, "found_person", np.int32)[0].reshape(d),
    )
    if d and not -1 <= found.person.min() <= found.person.max() < n:
        raise ValueError(f"it names a person out of {n}")
    centres, _ = _flat(table, "centres", np.float32)
    return CellPredictions(
        attack,
        *found.by_person(n),
        attacked,
        covered.reshape(n, k),
        _flat(table, "missing", np.int16)[0].reshape(n),
        centres.reshape(n, -1, 2) if n else centres.reshape(0, 0, 2),
        _flat(table, "pixels", np.float32)[0].reshape(n, 2)
        if "pixels" in table.column_names
        else np.zeros((n, 2), np.float32),
        np.zeros((n, 0, k, 2), np.float32),
        np.zeros((n, 0), np.float32),
        found,
        _regrouped(table, k),
    )


def _regrouped(table: pa.Table, k: int) -> FoundPersons | None:
    if REGROUPED not in table.column_names:
        return None
    scores, counts = _flat(table, "regrouped_scores", np.float32)
    return FoundPersons(
        np.repeat(table["image_id"].to_numpy(), counts).astype(np.int64),
        _flat(table, REGROUPED, np.float32)[0].reshape(-1, k, 2),
        _flat(table, "regrouped_keypoint_scores", np.float32)[0].reshape(-1, k),
        scores,
        np.full(len(scores), -1, np.int32),
    )


def _starts(images: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Where each photo's begin among ``of``, and where the last one's end: shape (photos + 1,)."""
    place = {int(image): i for i, image in enumerate(images)}
    counts = np.bincount([place[int(image)] for image in of], minlength=len(images))
    return np.concatenate([[0], np.cumsum(counts)])


def _lists(starts: np.ndarray, values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Rows of a list each, of all numbers of the values from one start to the next."""
    each = int(np.prod(values.shape[1:], dtype=np.int64))
    flat = pa.array(np.ascontiguousarray(values).ravel(), kind)
    return pa.ListArray.from_arrays(pa.array(starts * each, pa.int32()), flat)


def _flat(table: pa.Table, name: str, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of a column, and how many each row has."""
    column = table[name].combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False).astype(kind)
    return values, np.diff(column.offsets.to_numpy())
