"""natural.csv: the loss on keypoints that something hides in the photo, beside the loss when we hide them.

The natural loss is between different persons, those in whom a keypoint is annotated as visible and those in whom it is
annotated as occluded; the synthetic loss is of the same persons. See :mod:`~.evaluation.natural`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import ClassVar

import pandas as pd

from ..attacks import Attack
from ..data.persons import Dataset
from ..evaluation.natural import OCCLUDED, VISIBLE, NaturalTable, natural_table
from ..evaluation.types import GroundTruth
from .finished import FinishedRun
from .rates import metric_name
from .rows import Row
from .table import CELL, RUN, Column, Table, bounds, number, text
from .told import told_all, verdict

_FAMILY = "the keypoints of its fill"
LOSSES = ("natural", "standardised", "synthetic")


class Natural(Table):
    """Synthetic is the drop of each keypoint's own figure when a disc of the smallest radius lies centred on it, as in
    cells.csv. The figures by flag count the persons with that flag alone, whatever the protocol."""

    name = "natural"
    about = "one row per fill and keypoint, and one per fill for `all` with the rank correlation"
    needs = "a data set that flags occluded keypoints, and single keypoints that were hidden under a centred disc"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        "fill": CELL["fill"],
        "radius": number("of the disc: the smallest of the run, crop px"),
        "keypoint": text("one keypoint, or `all`"),
        "metric": text("what the figures are: `AP`, `PCKh@0.5`, ..."),
        "n_visible": number("persons in whom the keypoint is annotated as visible"),
        "n_occluded": number("persons in whom it is annotated as occluded"),
        "visible": number("the keypoint's clean figure over the former, a fraction"),
        "occluded": number("its clean figure over the latter, a fraction"),
        "natural": number("`visible` minus `occluded`: between different persons, points (x 100)"),
        **bounds("natural", "`natural`, points"),
        **verdict("natural", _FAMILY, "natural_"),
        "standardised": number("`natural` over persons of like area and number of labelled keypoints, points"),
        **bounds("standardised", "`standardised`, points"),
        **verdict("standardised", _FAMILY, "standardised_"),
        "synthetic": number("the keypoint's drop when it is hidden: of the same persons, points"),
        **bounds("synthetic", "`synthetic`, points, paired by photo"),
        **verdict("synthetic", _FAMILY, "synthetic_"),
        "n_keypoints": number("of `all`: kinds of keypoints (left and right are one) that have both losses"),
        "rho": number(
            "of `all`: Spearman's rank correlation of the losses relative to the figure, `standardised` natural"
        ),
        **bounds("rho", "`rho` over photos"),
        "rho_p": number("of `all`: two-sided p for no correlation, by permutations"),
    }

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by loss and fill (Holm)."""
        table = super().frame(rows)
        return told_all(table, table["fill"], {loss: f"{loss}_" for loss in LOSSES})

    def applies(self, run: FinishedRun) -> bool:
        """Where flags are annotated and a keypoint was hidden."""
        return bool(_suites(run.attacks)) and has_flags(run.dataset.truth)

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        (natural, alike), clean = run.figures.by_flag(run.clean), run.figures.by_keypoint(run.clean)
        kinds = keypoint_kinds(run.dataset.skeleton.keypoints)
        rows: list[Row] = []
        for (fill, radius), by_target in _suites(run.attacks).items():
            hidden = [
                None if name not in by_target else run.figures.of_keypoints(run.read(by_target[name]), [k])
                for k, name in enumerate(run.dataset.skeleton.keypoints)
            ]
            table = natural_table(natural, alike, clean, hidden, kinds)
            rows += [{"fill": fill, "radius": radius} | row for row in _rows(table, run.dataset)]
        return rows


def has_flags(truth: GroundTruth) -> bool:
    """Whether keypoints are annotated as visible in some persons and as occluded in others."""
    flags = truth.visibility[~truth.crowd]
    return bool((flags == VISIBLE).any() and (flags == OCCLUDED).any())


def _suites(attacks: Sequence[Attack]) -> dict[tuple[str, float], dict[str, Attack]]:
    """By fill, with its smallest radius, the centred attack on each keypoint."""
    centred = [a for a in attacks if a.level == "keypoint" and a.placement.kind == "centred"]
    smallest: dict[str, float] = {}
    for attack in centred:
        smallest[attack.fill] = min(attack.radius, smallest.get(attack.fill, attack.radius))
    return {
        (fill, radius): {a.target: a for a in centred if (a.fill, a.radius) == (fill, radius)}
        for fill, radius in smallest.items()
    }


def keypoint_kinds(keypoints: Sequence[str]) -> list[list[int]]:
    """The keypoints of each kind: a left and a right one, or one alone."""
    kinds: dict[str, list[int]] = {}
    for i, name in enumerate(keypoints):
        kinds.setdefault(name.removeprefix("left_").removeprefix("right_"), []).append(i)
    return list(kinds.values())


def _rows(table: NaturalTable, dataset: Dataset) -> list[Row]:
    names, metric = dataset.skeleton.keypoints, metric_name(dataset)
    rows: list[Row] = []
    for found in table.rows:
        row = asdict(found) | {"keypoint": names[found.keypoint], "metric": metric}
        rows.append(row | {"visible": found.visible / 100, "occluded": found.occluded / 100})
    correlation = {"rho": table.rho, "rho_lo": table.rho_lo, "rho_hi": table.rho_hi, "rho_p": table.p}
    return [*rows, {"keypoint": "all", "metric": metric, "n_keypoints": table.n} | correlation]
