"""cells.csv: the figures of every cell and keypoint, and their drops (PROTOCOL section 5)."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..inference.predictions import CellPredictions, to_crop
from .attraction import attraction
from .finished import FinishedRun
from .rows import Row, size_of
from .table import CELL, RUN, WHOLE_PHOTOS, Column, PerCell, bounds, number, text
from .told import told, verdict

_VERDICT = verdict("drop", "the drops of its `family`")
_AP = "empty where the data set has another metric"

_FOUND: Mapping[str, Column] = {
    "found": number("share of the persons whom a prediction was matched to; of a keypoint, of those who have it"),
    **bounds("found", "`found`"),
    "drop_found": number("`found` clean minus attacked, points: who is lost altogether"),
    **bounds("drop_found", "`drop_found`, points, paired by photo"),
    "p_found": number("two-sided p for no `drop_found`"),
}


class Cells(PerCell):
    """The main table. ``value`` is the figure of the data set's metric; where that is AP, ``ap`` says the same."""

    name = "cells"
    kept_as = "rows"
    about = "one row per cell and keypoint (`all` or a name)"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "keypoint": text("whose figures: `all`, or one keypoint's"),
        "n": number("persons that count"),
        "ap": number(f"AP, mean over OKS .50 to .95, a fraction; {_AP}"),
        "ap50": number("AP at OKS .50, a fraction"),
        "ap75": number("AP at OKS .75, a fraction"),
        "ap_m": number("AP of persons of medium size, a fraction"),
        "ap_l": number("AP of large persons, a fraction"),
        "ar": number("average recall, mean over OKS .50 to .95, a fraction"),
        "drop": number("clean minus attacked, of the same persons, points (x 100): of `ap_exact`, or of `value`"),
        **bounds("drop", "`drop`, points, paired by photo"),
        "drop_se": number("standard error of `drop`, points"),
        **{name: column for name, column in _VERDICT.items() if name != "clear"},
        **bounds("ap", "`ap`"),
        "ar50": number("recall at OKS .50, a fraction"),
        "ar75": number("recall at OKS .75, a fraction"),
        "ar_m": number("average recall of persons of medium size, a fraction"),
        "ar_l": number("average recall of large persons, a fraction"),
        "n_remaining": number(
            "of a part attack: attacked persons in whom the keypoint lies outside the painted region"
        ),
        "drop_remaining": number("of a part attack: the drop over those persons alone, points"),
        "attraction": number("how much nearer the hidden keypoints come to the occluder on the target, crop px"),
        "attraction_decoys": number("how much nearer they come to the occluders elsewhere, crop px"),
        "metric": text("what the data set is scored with: `AP`, `PCKh@0.5`, ..."),
        "value": number("the figure of `metric`, a fraction"),
        **bounds("value", "`value`"),
        "ap_exact": number("exact area under the curves that `ap` reads at 101 recall points, a fraction"),
        "drop_grid": number("`value` clean minus attacked as printed, points: to compare with published differences"),
        "photos": number("photos in which the attack changed anything that the figure is made of; below 6 no interval"),
        "family": text("the drops that are adjusted together: of one level, radius and placement, and one question"),
        **bounds("drop_remaining", "`drop_remaining`, points, paired by photo"),
        "p_remaining": number("two-sided p for no `drop_remaining`"),
        "clear": _VERDICT["clear"],
        **{name: replace(column, only=WHOLE_PHOTOS) for name, column in _FOUND.items()},
    }

    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        """See :class:`~.table.PerCell`."""
        found: Iterable[Row] = itertools.repeat({}) if run.found is None else run.found.columns(cell)
        return [row | columns for row, columns in zip(self._judged(run, cell), found, strict=False)]

    def _judged(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        if cell.attack is None:
            return run.judge.rows(None)
        skeleton, level = run.dataset.skeleton, cell.attack.level
        own = {skeleton.keypoints[k] for k in skeleton.indices(level, cell.attack.target)}
        rows = [row | {"family": family(row, own)} for row in run.judge.rows(cell)]
        for row, near, far in zip(rows, *_attraction(run, cell.attack, cell), strict=True):
            row |= {"attraction": near, "attraction_decoys": far}
        return rows

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by family (Holm)."""
        table = super().frame(rows)
        return told(table, table["family"], "drop")


def family(row: Row, own: Collection[str]) -> str:
    """The drops that answer one question at one size: over all keypoints, of what is hidden itself, of the others.

    So neither another radius nor another placement changes what was adjusted before.

    Args:
        row: Of a cell.
        own: The keypoints that its attack hides.
    """
    name = row["keypoint"]
    question = "overall" if name == "all" else "own" if name in own else "collateral"
    return f"{row['level']} r={size_of(row)} {row['placement']}: {question}"


def _attraction(run: FinishedRun, attack: Attack, cell: CellPredictions) -> tuple[np.ndarray, np.ndarray]:
    skeleton = run.dataset.skeleton
    own = np.isin(np.arange(len(skeleton.keypoints)), skeleton.indices(attack.level, attack.target))
    counted = cell.attacked[:, None] & run.labelled & own
    before, after = (to_crop(c.keypoints, run.geometry, run.crop_size) for c in (run.clean, cell))
    return attraction(before, after, cell.centres.astype(np.float64), counted)
