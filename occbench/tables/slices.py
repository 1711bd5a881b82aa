"""Drops by slices of the persons: crowding, size, natural occlusion, or any column of a user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data.crowded import level_of
from ..data.persons import Dataset
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, compare, prepare, resample
from ..evaluation.cells import Key
from ..evaluation.intervals import holm
from ..evaluation.natural import OCCLUDED
from ..evaluation.types import GroundTruth
from ..inference.predictions import CellPredictions
from ..inference.results import cell_detections
from ..system.errors import OccbenchError
from .finished import FinishedRun
from .rows import Row, cell_columns

Slices = Mapping[str, np.ndarray]
"""Persons by the name of their slice: shape (G,), bool."""

KNOWN = ("crowd", "size", "hidden")
FEW = 6
"""Different numbers in a column, up to which each is a slice; with more, thirds of the persons are."""

_IDS = ("annotation_id", "image_id")


@dataclass(frozen=True)
class SliceDrop:
    """The drop of a cell over the persons of one slice.

    Attributes:
        by: What the slices are by.
        slice: Its name.
        persons: Measured persons in it.
        level: Of the attack, as ``fill``, ``target``, ``radius`` (crop px), ``radius_share`` and
            ``placement`` are.
        n: Persons that count.
        clean: AP without the attack; ``attacked``: under it. Fractions.
        drop: Points, of the exact areas; ``drop_lo``, ``drop_hi``: its interval; ``p``: of no drop; ``p_adjusted``: by
            Holm over all drops of the call. NaN with fewer than 10 persons.
    """

    by: str
    slice: str
    persons: int
    level: str
    fill: str
    target: str
    radius: float
    radius_share: float
    placement: str
    n: int
    clean: float
    attacked: float
    drop: float
    drop_lo: float
    drop_hi: float
    p: float
    p_adjusted: float = float("nan")


def slice_drops(
    run: FinishedRun, by: str, advance: Callable[[int], None] = lambda cells: None
) -> tuple[list[SliceDrop], list[str]]:
    """The drops of every attacked cell by slices of the persons.

    Persons of other slices are ignored, and their predictions left out, as persons without a keypoint are.

    Args:
        run: A finished run on data that are scored by AP.
        by: One of :data:`KNOWN`, or a CSV file with ``annotation_id`` or ``image_id`` and other columns.
        advance: Told that a cell is done.

    Returns:
        The drops, and what the user should know of the slices.

    Raises:
        OccbenchError: There are no such slices, or the file cannot be used.
    """
    data = run.dataset
    if data.metric != "oks":
        raise OccbenchError(f"--by slices AP, but {data.name!r} is scored by another metric")
    slices, said = slices_of(data, by)
    labelled = data.truth.visibility > 0
    measured = ~data.truth.crowd & (data.truth.num_keypoints > 0)
    masks: dict[Key, np.ndarray | None] = {
        f"{name}\n{one}": who[:, None] & labelled
        for name, parts in slices.items()
        for one, who in parts.items()
        if (who & measured).any()
    }
    nothing = np.empty((0, len(data.truth.image_ids)), dtype=np.int16)
    weights = run.scoring.weights(len(data.truth.image_ids)) or Weights(nothing, nothing)

    def sliced(cell: CellPredictions) -> Resampled:
        found = cell_detections(data, cell, run.areas, run.scoring.pose_nms)
        return resample(prepare(data.truth, found, data.sigmas, "corrected", masks), weights)

    clean = sliced(run.clean)
    rows: list[Row] = []
    for attack in run.attacks:
        for found in compare(clean, sliced(run.read(attack))):
            name, one = str(found.key).split("\n", 1)
            row: Row = {"by": name, "slice": one, "persons": int((slices[name][one] & measured).sum()), "n": found.n}
            enough = found.n >= MIN_PERSONS
            row |= {"clean": found.clean / 100, "attacked": found.attacked / 100}
            row |= {key: getattr(found, key) if enough else np.nan for key in ("drop", "drop_lo", "drop_hi", "p")}
            rows.append(row | cell_columns(attack))
        advance(1)
    adjusted = holm(np.array([row["p"] for row in rows], dtype=np.float64))
    return [SliceDrop(**row, p_adjusted=float(p)) for row, p in zip(rows, adjusted, strict=True)], said


def as_table(drops: list[SliceDrop]) -> pd.DataFrame:
    """The drops as a table of the attributes of :class:`SliceDrop`."""
    return pd.DataFrame([asdict(drop) for drop in drops])


def slices_of(dataset: Dataset, by: str) -> tuple[dict[str, Slices], list[str]]:
    """The slices by name, each with its persons, and what the user should know. Arguments and errors as above."""
    if by == "size":
        return {by: _by_size(dataset.truth)}, []
    if by == "hidden":
        return {by: _by_hidden(dataset.truth)}, []
    if by == "crowd":
        return {by: _by_crowd(dataset)}, []
    if by.lower().endswith(".csv"):
        return _by_file(dataset.truth, Path(by))
    raise OccbenchError(f"--by {by!r} is none of {', '.join(KNOWN)} and no FILE.csv")


def _by_size(truth: GroundTruth) -> Slices:
    """COCO's sizes, by area in image px squared."""
    bounds: dict[str, tuple[float, float]] = {
        "small (below 32 x 32)": (0, 32**2),
        "medium (32 x 32 to 96 x 96)": (32**2, 96**2),
        "large (from 96 x 96)": (96**2, np.inf),
    }
    return {name: (truth.area >= low) & (truth.area < high) for name, (low, high) in bounds.items()}


def _by_hidden(truth: GroundTruth) -> Slices:
    """The share of the labelled keypoints that is annotated as occluded."""
    labelled = (truth.visibility > 0).sum(1)
    share = np.divide((truth.visibility == OCCLUDED).sum(1), labelled, out=np.zeros(len(truth)), where=labelled > 0)
    return {
        "none occluded": share == 0,
        "up to a quarter occluded": (share > 0) & (share <= 0.25),
        "more occluded": share > 0.25,
    }


def _by_crowd(dataset: Dataset) -> Slices:
    """CrowdPose's levels of each photo's crowd index: as annotated, else from boxes and keypoints."""
    levels = dataset.levels or {image: level_of(i) for image, i in crowd_indices(dataset.truth).items()}
    of = np.array([levels.get(int(image), "") for image in dataset.truth.image])
    return {name: of == name for name in ("easy", "medium", "hard")}


def crowd_indices(truth: GroundTruth) -> dict[int, float]:
    """By image id CrowdPose's crowd index (Li et al., CVPR 2019): the mean over the labelled persons of a photo of how
    many labelled keypoints of others lie in a person's box, over how many are the person's own; at most 1."""
    found = {}
    labelled = (truth.visibility > 0) & ~truth.crowd[:, None]
    for image in truth.image_ids.tolist():
        rows = np.flatnonzero((truth.image == image) & labelled.any(1))
        ratios = []
        for g in rows:
            x, y, w, h = truth.bbox[g]
            points = truth.keypoints[rows]
            inside = ((points >= (x, y)) & (points <= (x + w, y + h))).all(-1) & labelled[rows]
            ratios.append(min(1.0, inside[rows != g].sum() / labelled[g].sum()))
        found[image] = float(np.mean(ratios)) if ratios else 0.0
    return found


def _by_file(truth: GroundTruth, file: Path) -> tuple[dict[str, Slices], list[str]]:
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise OccbenchError(f"--by {str(file)!r} cannot be read as CSV: {error}") from error
    key = next((name for name in _IDS if name in table), None)
    if key is None or len(table.columns) < 2:
        raise OccbenchError(f"--by {str(file)!r} needs a column {' or '.join(_IDS)}, and another one to slice by")
    if table[key].duplicated().any():
        twice = table.loc[table[key].duplicated(), key].iloc[0]
        raise OccbenchError(f"--by {str(file)!r} has {key} {twice} twice: give each one row")
    ids = truth.ids if key == "annotation_id" else truth.image
    known = np.isin(ids, table[key].to_numpy())
    if not known.any():
        raise OccbenchError(f"--by {str(file)!r}: none of its {key}s is of the run's data")
    joined = table.set_index(key).reindex(ids)
    said = [f"{int((~known).sum())} of {len(known)} annotated persons are not in {file.name}"] * bool((~known).any())
    return {str(name): _parts(joined[name]) for name in joined if name not in _IDS}, said


def _parts(column: pd.Series) -> Slices:
    """Of a column by person: its values, or thirds of the persons where it has many numbers."""
    values = column.to_numpy()
    there = column.notna().to_numpy()
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() <= FEW:
        return {str(value): there & (values == value) for value in sorted(column.dropna().unique(), key=str)}
    low, high = np.quantile(values[there].astype(np.float64), [1 / 3, 2 / 3])
    return {
        f"up to {low:.4g}": there & (values <= low),
        f"{low:.4g} to {high:.4g}": there & (values > low) & (values <= high),
        f"above {high:.4g}": there & (values > high),
    }
