"""natural.csv: the loss on keypoints that something hides in the photo, beside the loss when we hide them.

The natural loss is between different persons, those in whom a keypoint is annotated as visible and those in whom it is
annotated as occluded; the synthetic loss is of the same persons. See :mod:`~.evaluation.natural`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.natural import OCCLUDED, VISIBLE, NaturalTable, natural_table
from ..evaluation.types import GroundTruth
from ..inference.predictions import CellPredictions
from .keypoint_draws import figures_of
from .rates import metric_name
from .scoring import Row, Scoring, typed

NATURAL_COLUMNS = (
    *("model", "dataset", "boxes", "protocol", "fill", "radius", "keypoint", "metric"),
    *("n_visible", "n_occluded", "visible", "occluded", "natural", "natural_lo", "natural_hi"),
    *("synthetic", "synthetic_lo", "synthetic_hi", "n_keypoints", "rho", "rho_lo", "rho_hi"),
)
"""Of natural.csv: one row per fill and keypoint, and one per fill for ``all`` with the rank correlation.

``visible`` and ``occluded`` are fractions, the losses points (x 100). NaN where there is no such number.
"""

NATURAL_TEXT = ("fill", "keypoint", "metric")
"""Those from ``fill`` on that are no numbers."""

Read = Callable[[Attack | None], CellPredictions]


def has_flags(truth: GroundTruth) -> bool:
    """Whether keypoints are annotated as visible in some persons and as occluded in others."""
    flags = truth.visibility[~truth.crowd]
    return bool((flags == VISIBLE).any() and (flags == OCCLUDED).any())


def natural_rows(
    dataset: Dataset, scoring: Scoring, areas: np.ndarray, read: Read, attacks: Sequence[Attack | None]
) -> list[Row]:
    """The rows of natural.csv.

    Synthetic is the drop of each keypoint's own figure when a disc of the smallest radius lies centred on it, as in
    cells.csv. The figures by flag count the persons with that flag alone, whatever the protocol.

    Args:
        dataset: Whose truth and metric.
        scoring: How; the draws are those of the run's intervals.
        areas: Of the padded boxes, shape (N,), image px squared.
        read: Gives the predictions of a cell; None for the clean one.
        attacks: The run's cells.

    Returns:
        Rows with :data:`NATURAL_COLUMNS` from ``fill`` on; none where no flag is annotated or no keypoint was hidden.
    """
    suites = _suites(attacks)
    if not suites or not has_flags(dataset.truth):
        return []
    figures = figures_of(dataset, scoring, areas)
    cell = read(None)
    natural, clean = figures.by_flag(cell), figures.by_keypoint(cell)
    rows = []
    for (fill, radius), by_target in suites.items():
        hidden = [
            None if name not in by_target else figures.of_keypoints(read(by_target[name]), [k])
            for k, name in enumerate(dataset.skeleton.keypoints)
        ]
        table = natural_table(natural, clean, hidden)
        rows += [{"fill": fill, "radius": radius} | row for row in _rows(table, dataset)]
    return rows


def as_natural_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows with :data:`NATURAL_COLUMNS` from ``fill`` on."""
    return typed(rows, NATURAL_COLUMNS, NATURAL_TEXT)


def _suites(attacks: Sequence[Attack | None]) -> dict[tuple[str, float], dict[str, Attack]]:
    """By fill, with its smallest radius, the centred attack on each keypoint."""
    centred = [a for a in attacks if a is not None and a.level == "keypoint" and a.placement.kind == "centred"]
    smallest: dict[str, float] = {}
    for attack in centred:
        smallest[attack.fill] = min(attack.radius, smallest.get(attack.fill, attack.radius))
    return {
        (fill, radius): {a.target: a for a in centred if (a.fill, a.radius) == (fill, radius)}
        for fill, radius in smallest.items()
    }


def _rows(table: NaturalTable, dataset: Dataset) -> list[Row]:
    names, metric = dataset.skeleton.keypoints, metric_name(dataset)
    rows: list[Row] = []
    for found in table.rows:
        row = asdict(found) | {"keypoint": names[found.keypoint], "metric": metric}
        rows.append(row | {"visible": found.visible / 100, "occluded": found.occluded / 100})
    correlation = {"rho": table.rho, "rho_lo": table.rho_lo, "rho_hi": table.rho_hi}
    return [*rows, {"keypoint": "all", "metric": metric, "n_keypoints": table.n} | correlation]
