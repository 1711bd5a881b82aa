"""split.csv: what an attack costs through the boxes and what through the pose (PROTOCOL section 7).

Four cells of the same photos: the pose model on the clean or the attacked photo, in the boxes that the detector finds
in the clean or the attacked photo. In points, drop_pose = clean - (attacked photo, clean boxes), drop_boxes = clean -
(clean photo, attacked boxes), drop_both = clean - (attacked photo, attacked boxes), and interaction = drop_both -
drop_pose - drop_boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, prepare, resample
from ..evaluation.cells import Protocol
from ..evaluation.intervals import intervals
from ..evaluation.rates import METRICS, resample_rates
from ..evaluation.signatures import changed_images
from ..inference.results import cell_detections
from .finished import FinishedRun
from .rates import by_annotation, metric_name
from .redetected import Cell, redetected
from .rows import Row, cell_columns
from .scoring import Scoring
from .table import CELL, RUN, Column, Table, bounds, number, text
from .told import told_all, verdict

TERMS = {
    "drop_pose": "what the attack costs through the pose alone: clean minus (attacked photo, clean boxes)",
    "drop_boxes": "what it costs through the boxes alone: clean minus (clean photo, boxes of the attacked one)",
    "drop_both": "what it costs altogether: clean minus (attacked photo, its boxes)",
    "interaction": "`drop_both` minus `drop_pose` minus `drop_boxes`",
    "share_pose": "of `drop_both` what the pose loses, mean over both orders of losing pose and boxes",
    "share_boxes": "of `drop_both` what the boxes lose, likewise: both shares add up to it",
}
"""Of a loss, in points (x 100), each with what it is."""

_MEMBERS = {"drop_pose": (0, 1), "drop_boxes": (0, 2), "drop_both": (0, 3)}
"""Which of the four cells a term is the difference of; the other terms are of all."""

_COUNTS = {
    "matched": "annotated persons with labelled keypoints for whom a box stands",
    "missed": "those of them for whom none does",
    "unmatched": "boxes that stand for nobody",
}


def _term(name: str, meaning: str) -> dict[str, Column]:
    """The columns of a term."""
    return {
        name: number(f"{meaning}, points"),
        **bounds(name, f"`{name}`, points, paired by photo"),
        f"{name}_se": number(f"standard error of `{name}`, points"),
        **verdict(name, "the attacks of one level, radius and placement: all keypoints, or single ones", f"{name}_"),
    }


class Split(Table):
    """Counts are of boxes and persons, over all keypoints."""

    name = "split"
    about = "one row per attack and keypoint (`all` or a name)"
    needs = "`--redetect`: a detector that saw the attacked photos too"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "level": text("what is hidden: a `keypoint` or a `part`"),
        "keypoint": text("whose figures: `all`, or one keypoint's"),
        "metric": text("what the figures are: `AP`, `PCKh@0.5`, ..."),
        "n": number("persons that count"),
        "clean": number("the figure on the clean photos in their boxes, a fraction"),
        "attacked_photo": number("on the attacked photos in the boxes of the clean ones, a fraction"),
        "attacked_boxes": number("on the clean photos in the boxes of the attacked ones, a fraction"),
        "attacked_both": number("on the attacked photos in their boxes, a fraction"),
        **{name: column for term, meaning in TERMS.items() for name, column in _term(term, meaning).items()},
        **{
            f"{count}_{when}": number(f"{meaning}, found in the {when} photos")
            for when in ("clean", "attacked")
            for count, meaning in _COUNTS.items()
        },
    }

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by term (Holm)."""
        table = super().frame(rows)
        single = table["keypoint"].eq("all").map({True: "overall", False: "single"})
        family = table["level"] + " " + table["radius"].astype(str) + " " + table["placement"] + " " + single
        return told_all(table, family, {term: f"{term}_" for term in TERMS})

    def applies(self, run: FinishedRun) -> bool:
        """Where the detector saw the attacked photos."""
        return run.redetected

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        splitter = Splitter(run.scoring, Cell(run.dataset, run.areas, run.clean))
        rows: list[Row] = []
        for attack in run.attacks:
            photo = Cell(run.dataset, run.areas, run.read(attack))
            rows += splitter.rows(attack, photo, *redetected(run.folder, attack, run.dataset))
        return rows


class Splitter:
    """Splits the losses of one run.

    Args:
        scoring: How cells are scored; the draws are those of the run's intervals.
        clean: The run's clean cell.
    """

    def __init__(self, scoring: Scoring, clean: Cell) -> None:
        truth = clean.dataset.truth
        self._protocol: Protocol = scoring.protocol
        self._rule = scoring.pose_nms
        nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
        self._weights = scoring.weights(len(truth.image_ids)) or Weights(nothing, nothing)
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
        cells = self.cells(photo, boxes, both)
        estimates = terms(*(cell.exact for cell in cells))
        draws = terms(*(cell.draws for cell in cells))
        enough = self._clean.n >= MIN_PERSONS
        found = {
            term: intervals(
                np.where(enough, estimates[term], np.nan),
                draws[term],
                clusters=self._clean.images,
                method="student",
                changed=changed_images(*(cells[i].signatures for i in _MEMBERS.get(term, range(4)))),
            )
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

    def cells(self, photo: Cell, boxes: Cell, both: Cell) -> list[Resampled]:
        """The four cells of an attack, the clean one first, under the same draws; see :meth:`rows`."""
        return [self._clean, *map(self._resampled, (photo, boxes, both))]

    def _resampled(self, cell: Cell) -> Resampled:
        data, predictions = cell.dataset, cell.predictions
        if data.metric == "oks":
            found = cell_detections(data, predictions, cell.areas, self._rule)
            return resample(prepare(data.truth, found, data.sigmas, self._protocol), self._weights)
        poses, labelled = by_annotation(data, predictions.keypoints), data.truth.visibility > 0
        lengths, image = np.asarray(data.lengths), np.searchsorted(data.truth.image_ids, data.truth.image)
        tables = METRICS[data.metric].tables(poses, data.truth.keypoints, labelled, lengths, data.skeleton.keypoints)
        return resample_rates(tables[0], image, self._weights)


def terms(clean: np.ndarray, photo: np.ndarray, boxes: np.ndarray, both: np.ndarray) -> dict[str, np.ndarray]:
    """The terms in points, by the names of :data:`TERMS`, of fractions of any one shape."""
    pose_loss, box_loss, whole = (100 * (clean - other) for other in (photo, boxes, both))
    # Shapley's value: what each adds when it comes first, and when it comes second.
    shares = (pose_loss + whole - box_loss) / 2, (box_loss + whole - pose_loss) / 2
    return dict(zip(TERMS, (pose_loss, box_loss, whole, whole - pose_loss - box_loss, *shares), strict=True))
