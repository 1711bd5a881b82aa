"""grouping.csv: does an attack mix people up, or lose joints? (PROTOCOL section 9.)

Of an estimator that finds joints first and puts them together by tags, every cell has two figures: AP as it is, and
AP with the tags replaced by the truth, where every candidate joins the nearest person that lacks that joint. What the
second loses is localisation; what the first loses beyond it is grouping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights, prepare, resample
from ..evaluation.intervals import intervals
from ..evaluation.signatures import changed_images
from ..evaluation.types import Detections
from ..inference.predictions import CellPredictions, FoundPersons
from .finished import FinishedRun
from .rows import Row, cell_columns
from .table import CELL, RUN, Column, Table, bounds, number, text
from .told import told_all, verdict

TERMS = {
    "mixed": "what grouping costs in this cell: `ap_true_groups` minus `ap`",
    "drop": "what the attack costs: clean minus attacked `ap`",
    "localisation": "of `drop` what is lost with the true groups as well: clean minus attacked `ap_true_groups`",
    "grouping": "the rest of `drop`: what grouping costs under the attack more than without",
}
"""In points (x 100), each with what it is; all but the first are of attacks."""

_MEMBERS = {"mixed": (2, 3), "drop": (0, 2), "localisation": (1, 3), "grouping": (0, 1, 2, 3)}
"""Which figures a term is made of: clean, clean with true groups, attacked, attacked with true groups."""


def _term(name: str, meaning: str) -> dict[str, Column]:
    """The columns of a term."""
    return {
        name: number(f"{meaning}, points"),
        **bounds(name, f"`{name}`, points, paired by photo"),
        **verdict(name, "the attacks of one level, radius and placement: all keypoints, or single ones", f"{name}_"),
    }


class Grouping(Table):
    """True groups know the annotated persons; places and scores of joints are the model's."""

    name = "grouping"
    about = "one row per cell and keypoint (`all` or a name)"
    needs = "a model with tags (associative embedding: HigherHRNet, ae-hrnet) and AP"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "keypoint": text("whose figures: `all`, or one keypoint's"),
        "n": number("persons that count"),
        "ap": number("AP as it is, a fraction, exact area"),
        "ap_true_groups": number("AP with the tags replaced by the truth, likewise"),
        **{name: column for term, meaning in TERMS.items() for name, column in _term(term, meaning).items()},
    }

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by term (Holm)."""
        table = super().frame(rows)
        single = table["keypoint"].eq("all").map({True: "overall", False: "single"})
        family = table["level"] + " " + table["radius"].astype(str) + " " + table["placement"] + " " + single
        return told_all(table, family, {term: f"{term}_" for term in TERMS})

    def applies(self, run: FinishedRun) -> bool:
        """Where the joints of the clean cell were put together twice, and AP is the figure."""
        return run.dataset.metric == "oks" and run.clean.regrouped is not None

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        truth, protocol = run.dataset.truth, run.scoring.protocol
        nothing = np.empty((0, len(truth.image_ids)), dtype=np.int16)
        weights = run.scoring.weights(len(truth.image_ids)) or Weights(nothing, nothing)

        def figures(cell: CellPredictions) -> tuple[Resampled, ...]:
            both = (_detections(people) for people in (cell.found, cell.regrouped) if people is not None)
            return tuple(resample(prepare(truth, one, run.dataset.sigmas, protocol), weights) for one in both)

        clean = figures(run.clean)
        keypoints, found = (
            run.dataset.skeleton.keypoints,
            list(_rows(None, clean, clean, run.dataset.skeleton.keypoints)),
        )
        for attack in run.attacks:
            cell = run.read(attack)
            if cell.regrouped is not None:
                found += _rows(attack, clean, figures(cell), keypoints)
        return found


def _detections(people: FoundPersons) -> Detections:
    return Detections(people.image, people.keypoints.astype(np.float64), people.scores.astype(np.float64))


def _rows(
    attack: Attack | None, clean: tuple[Resampled, ...], cell: tuple[Resampled, ...], keypoints: Sequence[str]
) -> Iterator[Row]:
    every = (*clean, *cell)
    estimates, draws = (_terms(*(getattr(one, name) for one in every)) for name in ("exact", "draws"))
    enough = cell[0].n >= MIN_PERSONS
    found = {
        term: intervals(
            np.where(enough, estimates[term], np.nan),
            draws[term],
            clusters=cell[0].images,
            method="student",
            changed=changed_images(*(every[i].signatures for i in _MEMBERS[term])),
        )
        for term in (TERMS if attack is not None else ("mixed",))
    }
    for i, key in enumerate(cell[0].keys):
        if key is not None and not isinstance(key, int):
            continue
        row = cell_columns(attack) | {"keypoint": "all" if key is None else keypoints[key], "n": int(cell[0].n[i])}
        row |= {"ap": float(cell[0].exact[i]), "ap_true_groups": float(cell[1].exact[i])}
        for term, own in found.items():
            row |= {term: estimates[term][i], f"{term}_lo": own.lo[i], f"{term}_hi": own.hi[i], f"{term}_p": own.p[i]}
        yield row


def _terms(clean: np.ndarray, clean_true: np.ndarray, ap: np.ndarray, ap_true: np.ndarray) -> dict[str, np.ndarray]:
    """The terms in points, of fractions of any one shape."""
    drop, localisation = 100 * (clean - ap), 100 * (clean_true - ap_true)
    mixed = 100 * (ap_true - ap)
    return dict(zip(TERMS, (mixed, drop, localisation, drop - localisation), strict=True))
