"""split.csv: what an attack costs through the boxes and what through the pose (PROTOCOL section 7).

Four cells of the same photos: the pose model on the clean or the attacked photo, in the boxes that the detector finds
in the clean or the attacked photo. In points, drop_pose = clean - (attacked photo, clean boxes), drop_boxes = clean -
(clean photo, attacked boxes), drop_both = clean - (attacked photo, attacked boxes), and interaction = drop_both -
drop_pose - drop_boxes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..data.matching import with_detections
from ..data.persons import Dataset
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, prepare, resample
from ..evaluation.cells import Protocol
from ..evaluation.intervals import intervals
from ..evaluation.rates import METRICS, resample_rates
from ..inference.predictions import GEOMETRY, CellPredictions
from ..inference.results import to_detections
from ..runs.parquet import read_cell
from ..runs.store import DETECTIONS, PREDICTIONS, read_geometry
from ..system.errors import OccbenchError
from .rates import by_annotation, metric_name
from .scoring import Row, Scoring, cell_columns, typed

REDETECT = "redetect"
"""The folder in a run with a folder for each attack: boxes found in the attacked photos, and predictions in them."""

SPLIT = "split.csv"

TERMS = ("drop_pose", "drop_boxes", "drop_both", "interaction")

_COUNTS = ("matched", "missed", "unmatched")

SPLIT_COLUMNS = (
    *("model", "dataset", "boxes", "protocol", "level", "fill", "target", "radius", "placement"),
    *("keypoint", "metric", "n", "clean", "attacked_photo", "attacked_boxes", "attacked_both"),
    *(f"{term}{what}" for term in TERMS for what in ("", "_lo", "_hi", "_se", "_p")),
    *(f"{count}_{when}" for when in ("clean", "attacked") for count in _COUNTS),
)
"""Of split.csv: one row per attack and keypoint (``all`` or a name).

``clean`` and ``attacked_...`` are fractions, the terms points (x 100) with their intervals, paired by photo; the counts
are of boxes and persons, over all keypoints. NaN where there is no such number.
"""

SPLIT_TEXT = ("level", "fill", "target", "placement", "keypoint", "metric")
"""Those from ``level`` on that are no numbers."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Predictions in the boxes of a data set.

    Attributes:
        dataset: Whose persons are the boxes.
        areas: Of the padded boxes, shape (N,), image px squared.
        predictions: N of them.
    """

    dataset: Dataset
    areas: np.ndarray
    predictions: CellPredictions


def with_boxes(dataset: Dataset, path: Path) -> Dataset:
    """:func:`~.data.matching.with_detections`, but for a file that may have no box: the detector then found nobody.

    Raises:
        OccbenchError: The file is missing or damaged.
    """
    try:
        nobody = json.loads(path.read_bytes()) == []
    except (OSError, ValueError) as error:
        raise OccbenchError(f"{str(path)!r} is missing or damaged: measure the run again") from error
    if not nobody:
        return with_detections(dataset, path)
    annotated = dataset.persons if dataset.annotated is None else dataset.annotated
    return replace(dataset, persons=(), detections=path, annotated=annotated)


def folder_of(out: Path, attack: Attack) -> Path:
    """Where in a run what was found in the photos under an attack lies."""
    return out / REDETECT / attack.slug


def redetected(out: Path, attack: Attack, dataset: Dataset) -> tuple[Cell, Cell]:
    """The clean and the attacked photos in the boxes found in the attacked ones.

    Args:
        out: The run folder.
        attack: The attack.
        dataset: What was measured on.

    Raises:
        OccbenchError: They are missing, damaged, or of other boxes.
    """
    folder = folder_of(out, attack)
    found = with_boxes(dataset, folder / DETECTIONS)
    if not found.persons:
        nobody = [CellPredictions.empty(a, 0, len(dataset.skeleton.keypoints)) for a in (None, attack)]
        return Cell(found, np.empty(0), nobody[0]), Cell(found, np.empty(0), nobody[1])
    geometry = read_geometry(folder)
    areas = geometry[:, GEOMETRY.index("scale_w")] * geometry[:, GEOMETRY.index("scale_h")]
    cells = [read_cell(folder / PREDICTIONS / f"{slug}.parquet") for slug in ("clean", attack.slug)]
    if any(len(cell) != len(found.persons) for cell in cells) or len(areas) != len(found.persons):
        raise OccbenchError(f"{str(folder)!r} holds predictions of other boxes: measure the run again")
    return Cell(found, areas, cells[0]), Cell(found, areas, cells[1])


class Splitter:
    """Splits the losses of one run.

    Args:
        scoring: How cells are scored; the draws are those of the run's intervals.
        clean: The run's clean cell.
    """

    def __init__(self, scoring: Scoring, clean: Cell) -> None:
        truth = clean.dataset.truth
        self._protocol: Protocol = scoring.protocol
        nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
        self._weights = Weights(nothing, nothing)
        if scoring.draws:
            self._weights = Weights.draw(len(truth.image_ids), scoring.draws, rng=np.random.default_rng(scoring.seed))
        self._counts = clean.dataset.box_counts()
        self._keypoints = clean.dataset.skeleton.keypoints
        self._metric = metric_name(clean.dataset)
        self._clean = self._resampled(clean)

    def rows(self, attack: Attack, photo: Cell, boxes: Cell, both: Cell) -> list[Row]:
        """The rows of an attack: over all keypoints, then of each.

        Args:
            attack: The attack.
            photo: The attacked photo in the clean boxes.
            boxes: The clean photo in the attacked boxes.
            both: The attacked photo in the attacked boxes.
        """
        cells = [self._clean, *map(self._resampled, (photo, boxes, both))]
        estimates = _terms(*(cell.ap for cell in cells))
        draws = _terms(*(cell.draws for cell in cells))
        enough = self._clean.n >= MIN_PERSONS
        found = {
            term: intervals(np.where(enough, estimates[term], np.nan), draws[term], clusters=self._clean.images)
            for term in TERMS
        }
        found_counts = (self._counts, both.dataset.box_counts())
        counts = {
            f"{name}_{when}": getattr(counted, name)
            for when, counted in zip(("clean", "attacked"), found_counts, strict=True)
            for name in _COUNTS
        }
        rows: list[Row] = []
        for i, key in enumerate(self._clean.keys):
            if key is not None and not isinstance(key, int):
                continue
            row = cell_columns(attack) | {"keypoint": "all" if key is None else self._keypoints[key]}
            row |= {"metric": self._metric, "n": int(self._clean.n[i])}
            names = ("clean", "attacked_photo", "attacked_boxes", "attacked_both")
            row |= {name: float(cell.ap[i]) for name, cell in zip(names, cells, strict=True)}
            for term in TERMS:
                own = found[term]
                row |= {term: estimates[term][i], f"{term}_lo": own.lo[i], f"{term}_hi": own.hi[i]}
                row |= {f"{term}_se": own.se[i], f"{term}_p": own.p[i]}
            rows.append(row | counts)
        return rows

    def _resampled(self, cell: Cell) -> Resampled:
        data, predictions = cell.dataset, cell.predictions
        if data.metric == "oks":
            found = to_detections(data.persons, predictions.keypoints, predictions.scores, cell.areas, data.sigmas)
            return resample(prepare(data.truth, found, data.sigmas, self._protocol), self._weights)
        poses, labelled = by_annotation(data, predictions.keypoints), data.truth.visibility > 0
        lengths, image = np.asarray(data.lengths), np.searchsorted(data.truth.image_ids, data.truth.image)
        tables = METRICS[data.metric].tables(poses, data.truth.keypoints, labelled, lengths, data.skeleton.keypoints)
        return resample_rates(tables[0], image, self._weights)


def _terms(clean: np.ndarray, photo: np.ndarray, boxes: np.ndarray, both: np.ndarray) -> dict[str, np.ndarray]:
    """The terms in points, of fractions of any one shape."""
    pose_loss, box_loss, whole = (100 * (clean - other) for other in (photo, boxes, both))
    return dict(zip(TERMS, (pose_loss, box_loss, whole, whole - pose_loss - box_loss), strict=True))


def split_rows(
    out: Path, dataset: Dataset, scoring: Scoring, attacks: Sequence[Attack], clean: Cell, photo: Iterable[Cell]
) -> list[Row]:
    """The rows of split.csv of a finished run.

    Args:
        out: The run folder.
        dataset: What was measured on.
        scoring: How.
        attacks: The run's.
        clean: The run's clean cell.
        photo: The run's cells of the attacks.
    """
    splitter = Splitter(scoring, clean)
    rows: list[Row] = []
    for attack, cell in zip(attacks, photo, strict=True):
        rows += splitter.rows(attack, cell, *redetected(out, attack, dataset))
    return rows


def as_split_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows with :data:`SPLIT_COLUMNS` from ``level`` on."""
    return typed(rows, SPLIT_COLUMNS, SPLIT_TEXT)
