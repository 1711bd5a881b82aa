"""stages.csv: what every stage of a cascade has right, clean and attacked, and what looking again gains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from ..attacks import Attack
from ..data.records import torso
from ..evaluation.bootstrap import Resampled, Weights, compare
from ..evaluation.rates import resample_rates
from ..evaluation.stages import MIN_DIAMETER, stage_tables
from ..inference.predictions import CellPredictions
from .finished import FinishedRun
from .rates import by_annotation, rate_figures
from .rows import Row, cell_columns
from .table import CELL, RUN, Column, Table, bounds, number, text

COLLAPSED = "collapsed"

Figures = dict[str, Resampled]


class Stages(Table):
    """Every stage is compared with itself without the attack, and with the first stage under the same attack."""

    name = "stages"
    about = "one row per cell, stage, metric and group"
    needs = "a cascade (DeepPose)"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "stage": number("from 1"),
        "metric": text(
            "`PDJ@0.05` ... `PDJ@0.5` (share of the torso), `PCP@0.5` (strict: both ends), `PCP@0.5 loose` (their "
            "mean); or `collapsed`: poses too small for the next stage's boxes, which have their least size then"
        ),
        "group": text("a group of joints, a limb, or `Mean`: over all joints, or of upper and lower arms and legs"),
        "n": number("persons that count"),
        "value": number("the figure of `metric`, a fraction"),
        **bounds("value", "`value`"),
        "drop": number("of the same stage, clean minus attacked, points (x 100)"),
        **bounds("drop", "`drop`, points, paired by photo"),
        "p": number("two-sided p for no drop"),
        "photos": number("photos in which the attack changed anything that the figure is made of; below 6 no interval"),
        "gain": number("of a later stage: `value` minus that of the first stage in the same cell, points"),
        **bounds("gain", "`gain`, points, paired by photo"),
        "gain_p": number("two-sided p for no gain"),
    }

    def applies(self, run: FinishedRun) -> bool:
        """Where the model is a cascade, whose stages look at squares sized by the pose before."""
        return run.clean.stages.shape[1] > 0 and run.window is None

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        truth, skeleton = run.dataset.truth, run.dataset.skeleton
        labelled = truth.visibility > 0
        lengths = np.array([torso(*person, skeleton) for person in zip(truth.keypoints, labelled, strict=True)])
        image = np.searchsorted(truth.image_ids, truth.image)
        weights: Weights | None = run.scoring.weights(len(truth.image_ids))
        weights = weights or Weights(*2 * (np.empty((0, len(truth.image_ids))),))

        def figures(cell: CellPredictions) -> list[Figures]:
            stages = (by_annotation(run.dataset, poses) for poses in every_stage(cell))
            tables = (stage_tables(s, truth.keypoints, labelled, lengths, skeleton.keypoints) for s in stages)
            return [{table.name: resample_rates(table, image, weights) for table in found} for found in tables]

        clean = figures(run.clean)
        found: list[Row] = []
        for attack in run.cells:
            cell = run.read(attack)
            found += _rows(attack, clean if attack is None else figures(cell), clean)
            found += _collapsed(run, cell)
        return found


def every_stage(cell: CellPredictions) -> Iterator[np.ndarray]:
    """The poses of every stage, each (N, K, 2), image px; the last one's are the cell's own."""
    yield from cell.stages.swapaxes(0, 1)
    yield cell.keypoints


def _rows(attack: Attack | None, stages: list[Figures], clean: list[Figures]) -> Iterator[Row]:
    for stage, (own, before) in enumerate(zip(stages, clean, strict=True), 1):
        for metric, found in own.items():
            gains = compare(found, stages[0][metric]) if stage > 1 else [None] * len(found.keys)
            figured = rate_figures(found, before[metric] if attack is not None else None)
            for (key, row), gain in zip(figured, gains, strict=True):
                if isinstance(key, int):
                    continue
                if gain is not None:
                    row |= {"gain": gain.drop, "gain_lo": gain.drop_lo, "gain_hi": gain.drop_hi, "gain_p": gain.p}
                where: Row = {"stage": stage, "metric": metric, "group": key or "Mean"}
                yield cell_columns(attack) | where | row


def _collapsed(run: FinishedRun, cell: CellPredictions) -> Iterator[Row]:
    """How many poses of each stage but the last have a smaller diameter than the next stage's boxes are made for."""
    keypoints = run.dataset.skeleton.keypoints
    ends = [keypoints.index(name) for name in ("left_shoulder", "right_hip")]
    for stage, poses in enumerate(cell.stages.swapaxes(0, 1), 1):
        diameters = np.linalg.norm(poses[:, ends[0]] - poses[:, ends[1]], axis=1)
        share = float((diameters < MIN_DIAMETER * run.geometry[:, 2]).mean())
        where: Row = {"stage": stage, "metric": COLLAPSED, "group": "Mean", "n": len(poses), "value": share}
        yield cell_columns(cell.attack) | where
