"""What the detector found in the attacked photos, and the predictions there, read from a run (PROTOCOL section 7)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..attacks import Attack
from ..data.matching import with_detections
from ..data.persons import Dataset
from ..inference.predictions import GEOMETRY, CellPredictions
from ..runs.parquet import read_cell
from ..runs.store import DETECTIONS, PREDICTIONS, read_geometry
from ..system.errors import OccbenchError

REDETECT = "redetect"
"""The folder in a run with a folder for each attack: boxes found in the attacked photos, and predictions in them."""


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
