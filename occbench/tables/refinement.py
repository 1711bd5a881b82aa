"""refinement.csv: coarse points and refined ones apart, and how often the refinement looks at the wrong window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from ..attacks import Attack
from ..data.records import torso
from ..evaluation.bootstrap import Resampled, Weights, compare
from ..evaluation.rates import resample_rates
from ..evaluation.refinement import OUTSIDE, Drawn, median_error, outside_table, pck_tables, spread_x
from ..inference.predictions import CellPredictions
from .finished import FinishedRun
from .rates import by_annotation, rate_figures
from .rows import Row, cell_columns
from .table import CELL, RUN, Column, Table, bounds, number, text

STAGES = ("coarse", "fine")
MEDIAN, SPREAD = "median error", "sd x"


class Refinement(Table):
    """Each stage is compared with itself without the attack, and the fine one with the coarse one in the same cell."""

    name = "refinement"
    about = "one row per cell, stage, metric and group"
    needs = "coarse-to-fine heatmaps"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "stage": text("`coarse`: the maximum of the coarse heatmap; `fine`: as refined, which is the model's answer"),
        "metric": text(
            "`PCK@0.02` ... `PCK@0.2` (share of the torso); `median error` of all joints, crop px; `sd x`: deviation "
            "of the error along x, crop px, without errors above 20; `outside window`: of the coarse stage, joints "
            "that lie outside of the window that is looked at"
        ),
        "group": text("a group of joints, `Mean` of all; of `outside window` also `hidden` and `not hidden` joints"),
        "n": number("persons that count; of `median error` and `sd x` joints"),
        "value": number("the figure of `metric`: a fraction, or crop px"),
        **bounds("value", "`value`"),
        "drop": number("of the same stage, clean minus attacked: points (x 100), or crop px; below 0 where it rises"),
        **bounds("drop", "`drop`, paired by photo"),
        "p": number("two-sided p for no drop, of fractions"),
        "photos": number("photos in which the attack changed anything that the figure is made of, of fractions"),
        "gain": number("of the fine stage: `value` minus that of the coarse one in the same cell: points, or crop px"),
        **bounds("gain", "`gain`, paired by photo"),
        "gain_p": number("two-sided p for no gain, of fractions"),
    }

    def applies(self, run: FinishedRun) -> bool:
        """Where the model refines coarse points."""
        return run.window is not None and run.clean.stages.shape[1] == 1

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        measure = Measure(run)
        found: list[Row] = []
        for attack in run.cells:
            found += measure.rows(attack, run.read(attack))
        return found


class Measure:
    """What all cells of a run are measured with.

    Args:
        run: Of a model that refines coarse points.
    """

    def __init__(self, run: FinishedRun) -> None:
        self._run, self._truth = run, run.dataset.truth
        self._labelled = self._truth.visibility > 0
        skeleton = run.dataset.skeleton
        self._lengths = np.full(len(self._labelled), np.nan)
        if {"left_shoulder", "right_shoulder", "left_hip", "right_hip"} <= set(skeleton.keypoints):
            people = zip(self._truth.keypoints, self._labelled, strict=True)
            self._lengths = np.array([torso(*person, skeleton) for person in people])
        self._image = np.searchsorted(self._truth.image_ids, self._truth.image)
        photos = len(self._truth.image_ids)
        self._weights = run.scoring.weights(photos) or Weights(*2 * (np.empty((0, photos)),))
        px = run.crop_size[0] / run.geometry[:, 2].astype(np.float64)  # crop px for one of the photo
        spread = np.broadcast_to(px[:, None, None], (len(px), self._labelled.shape[1], 2))
        self._px = by_annotation(run.dataset, spread)[:, :1]
        self._clean = [self.rates(poses) for poses in self.poses(run.clean)]
        self._clean_errors = [self.errors(poses) for poses in self.poses(run.clean)]

    def rows(self, attack: Attack | None, cell: CellPredictions) -> Iterator[Row]:
        """Of a cell."""
        rates: list[dict[str, Resampled]] = []
        errors: list[dict[str, Drawn]] = []
        for stage, poses in enumerate(self.poses(cell)):
            rates.append(self._clean[stage] if attack is None else self.rates(poses))
            errors.append(self._clean_errors[stage] if attack is None else self.errors(poses))
            where = cell_columns(attack) | {"stage": STAGES[stage]}
            for name, own in rates[-1].items():
                clean = None if attack is None else self._clean[stage][name]
                for group, row in _rate_rows(own, clean, rates[0][name] if stage else None):
                    yield where | {"metric": name, "group": group} | row
            for name, drawn in errors[-1].items():
                before = None if attack is None else self._clean_errors[stage][name]
                yield where | {"metric": name, "group": "Mean"} | _error_row(drawn, before, errors[0][name], stage)
        yield from self._outside(attack, cell)

    def poses(self, cell: CellPredictions) -> Iterator[np.ndarray]:
        """Coarse and fine, each (G, K, 2), by annotation, image px; of a coarse network alone its answer."""
        for poses in (*cell.stages.swapaxes(0, 1), cell.keypoints):
            yield by_annotation(self._run.dataset, poses)

    def _apart(self, poses: np.ndarray) -> np.ndarray:
        found: np.ndarray = (poses - self._truth.keypoints) * self._px
        return found

    def rates(self, poses: np.ndarray) -> dict[str, Resampled]:
        """PCK of poses (G, K, 2), image px, by its name."""
        names = self._run.dataset.skeleton.keypoints
        tables = pck_tables(poses, self._truth.keypoints, self._labelled, self._lengths, names)
        return {table.name: resample_rates(table, self._image, self._weights) for table in tables}

    def errors(self, poses: np.ndarray) -> dict[str, Drawn]:
        """Median error and spread of poses (G, K, 2), image px; crop px."""
        given = self._apart(poses), self._labelled, self._image, self._weights.draws
        return {MEDIAN: median_error(*given), SPREAD: spread_x(*given)}

    def outside(self, cell: CellPredictions, attack: Attack | None = None) -> Resampled:
        """Which joints lie outside of their windows; those that an attack hides and the others are groups."""
        assert self._run.window is not None
        hidden = () if attack is None else tuple(self._run.dataset.skeleton.indices(attack.level, attack.target))
        apart = self._apart(next(self.poses(cell)))
        return resample_rates(
            outside_table(apart, self._labelled, self._run.window, hidden), self._image, self._weights
        )

    def _outside(self, attack: Attack | None, cell: CellPredictions) -> Iterator[Row]:
        clean = None if attack is None else self.outside(self._run.clean, attack)
        for group, row in _rate_rows(self.outside(cell, attack), clean, None):
            yield cell_columns(attack) | {"stage": STAGES[0], "metric": OUTSIDE, "group": group} | row


def _rate_rows(own: Resampled, clean: Resampled | None, coarse: Resampled | None) -> Iterator[tuple[str, Row]]:
    gains = [None] * len(own.keys) if coarse is None else compare(own, coarse)
    for (key, row), gain in zip(rate_figures(own, clean), gains, strict=True):
        if isinstance(key, int):
            continue
        if gain is not None:  # clean minus attacked there, fine minus coarse here
            row |= {"gain": gain.drop, "gain_lo": gain.drop_lo, "gain_hi": gain.drop_hi, "gain_p": gain.p}
        yield key or "Mean", row


def _error_row(own: Drawn, clean: Drawn | None, coarse: Drawn, stage: int) -> Row:
    row: Row = {"n": own.n}
    row |= dict(zip(("value", "value_lo", "value_hi"), own.interval(), strict=True))
    if clean is not None:
        row |= dict(zip(("drop", "drop_lo", "drop_hi"), clean.interval(own), strict=True))
    if stage:
        row |= dict(zip(("gain", "gain_lo", "gain_hi"), own.interval(coarse), strict=True))
    return row
