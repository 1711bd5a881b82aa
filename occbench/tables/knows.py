"""knows.csv: how well a model's own confidence, and its visibility output, tell hidden joints from visible ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..attacks import Attack
from ..evaluation.auroc import auroc, auroc_draws
from ..evaluation.bootstrap import MIN_PERSONS
from ..evaluation.intervals import intervals
from ..evaluation.natural import OCCLUDED, VISIBLE
from ..inference.predictions import CellPredictions
from ..system.processes import spread
from .finished import FinishedRun
from .rows import Row
from .table import CELL, RUN, Column, Table, bounds, number, text


def _visibility(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Columns of models that predict visibility alone."""
    return {name: replace(column, only="models that predict visibility") for name, column in columns.items()}


HIDDEN, NATURAL, ABSENT = "hidden", "occluded", "absent"


class KnowsTable(Table):
    """The area is .5 where the confidence says nothing, 1 where every joint of the kind has less than every other."""

    name = "knows"
    about = (
        "one row per level, fill, radius and placement, all targets together; and per kind of joint of the clean cell"
    )
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **{name: column for name, column in CELL.items() if name != "target"},
        "kind": text(
            "of joint: `hidden` by the attack; `occluded` in the photo, as annotated; `absent`: not labelled, in "
            "persons with labels"
        ),
        "n": number("such joints"),
        "n_visible": number("joints that they are told from: others of attacked persons; or annotated as visible"),
        "score": number("mean confidence of such joints"),
        "score_visible": number("mean confidence of the others"),
        "auroc": number("area under the ROC curve: chance that one of the others has the higher confidence"),
        **bounds("auroc", "`auroc`, over photos; empty with fewer than 10 boxes with such joints"),
        "auroc_clean": number("of hidden joints: the same, told from these joints themselves without the attack"),
        **bounds("auroc_clean", "`auroc_clean`, likewise"),
        **_visibility(
            {
                "visibility": number("mean visibility that the model itself gives such joints"),
                "visibility_visible": number("mean visibility of the others"),
                "auroc_visibility": number("as `auroc`, of the visibility in place of the confidence"),
                **bounds("auroc_visibility", "`auroc_visibility`, likewise"),
                "auroc_clean_visibility": number("as `auroc_clean`, of the visibility"),
                **bounds("auroc_clean_visibility", "`auroc_clean_visibility`, likewise"),
            }
        ),
    }

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        told = [_Told(run, lambda cell: cell.scores)]
        if run.visibility:
            told.append(_Told(run, run.visibilities))
        rows = [{"level": "clean", **row} for row in _beside(*(one.natural() for one in told))]
        suites: dict[tuple[str, str, float, str], list[Attack]] = {}
        for attack in run.attacks:
            suites.setdefault((attack.level, attack.fill, attack.radius, str(attack.placement)), []).append(attack)
        found = spread(
            lambda attacks: _beside(*(one.hidden(attacks) for one in told)),
            list(suites.values()),
            run.processes(len(run.attacks)),
        )
        for (level, fill, radius, placement), of_suite in zip(suites, found, strict=True):
            where = {"level": level, "fill": fill, "radius": radius, "placement": placement}
            rows += [where | row for row in of_suite]
        return rows


_OF_VISIBILITY = {
    "score": "visibility",
    "score_visible": "visibility_visible",
    **{f"{name}{end}": f"{name}_visibility{end}" for name in ("auroc", "auroc_clean") for end in ("", "_lo", "_hi")},
}


def _beside(rows: list[Row], of_visibility: Sequence[Row] = ()) -> list[Row]:
    """Rows of the scores, with the same figures of the visibility in columns of their own."""
    others = {row["kind"]: row for row in of_visibility}
    return [
        row | {_OF_VISIBILITY[n]: v for n, v in others.get(row["kind"], {}).items() if n in _OF_VISIBILITY}
        for row in rows
    ]


class _Told:
    """How well numbers that a model gives to joints tell those that are hidden.

    Args:
        run: The run.
        numbers: Of a cell, shape (N, K); NaN where there is none.
    """

    def __init__(self, run: FinishedRun, numbers: Callable[[CellPredictions], np.ndarray | None]) -> None:
        self._run, self._numbers = run, numbers
        ids = run.dataset.truth.image_ids
        self._image = np.searchsorted(ids, [person.photo.id for person in run.dataset.persons])
        self._visibility = np.array([person.visibility for person in run.dataset.persons])
        weights = run.scoring.weights(len(ids))
        self._draws = None if weights is None else weights.draws

    def _of(self, cell: CellPredictions) -> np.ndarray:
        found = self._numbers(cell)
        return np.full_like(cell.scores, np.nan) if found is None else found

    def natural(self) -> list[Row]:
        """Of the clean cell: joints that are occluded or absent, where the data set says so of any."""
        scores, flags = self._of(self._run.clean), self._visibility
        labelled = (flags > 0).any(1, keepdims=True)
        rows = []
        if (flags == OCCLUDED).any() and (flags == VISIBLE).any():
            rows += self._row(NATURAL, [(scores, flags == OCCLUDED, flags == VISIBLE)])
        seen = flags == VISIBLE if (flags == VISIBLE).any() else flags > 0
        return rows + self._row(ABSENT, [(scores, (flags == 0) & labelled, seen)])

    def hidden(self, attacks: list[Attack]) -> list[Row]:
        """Of attacks on several targets: hidden joints beside the others of attacked persons."""
        parts = []
        for attack in attacks:
            cell = self._run.read(attack)
            theirs = cell.attacked[:, None] & (self._visibility > 0)
            parts.append((self._of(cell), theirs & cell.covered, theirs & ~cell.covered))
        rows = self._row(HIDDEN, parts)
        low = self._group([(scores, which) for scores, which, _ in parts])
        clean = self._of(self._run.clean)
        same = self._group([(clean, which) for _, which, _ in parts])
        return [row | self._area("auroc_clean", low, same) for row in rows]

    def _row(self, kind: str, parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[Row]:
        """Of one kind; ``parts``: scores, and which joints are of the kind and which are not, each (N, K)."""
        low = self._group([(scores, which) for scores, which, _ in parts])
        high = self._group([(scores, which) for scores, _, which in parts])
        if not len(low.scores) or not len(high.scores):
            return []
        row: Row = {"kind": kind, "n": len(low.scores), "n_visible": len(high.scores)}
        row |= {"score": low.scores.mean(), "score_visible": high.scores.mean()}
        return [row | self._area("auroc", low, high)]

    def _group(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> _Group:
        # Of who is not found there is no score.
        parts = [(scores, which & np.isfinite(scores)) for scores, which in parts]
        return _Group(
            np.concatenate([scores[which] for scores, which in parts]).astype(np.float64),
            np.concatenate([self._image[which.nonzero()[0]] for _, which in parts]),
            sum(int(which.any(1).sum()) for _, which in parts),
        )

    def _area(self, name: str, low: _Group, high: _Group) -> Row:
        value = auroc(low.scores, high.scores)
        if self._draws is None or low.boxes < MIN_PERSONS:
            return {name: value}
        drawn = auroc_draws(low.scores, low.image, high.scores, high.image, self._draws)
        ends = intervals(np.array([value]), drawn[:, None], clusters=np.array([len(np.unique(low.image))]))
        return {name: value, f"{name}_lo": ends.lo[0], f"{name}_hi": ends.hi[0]}


@dataclass(frozen=True, eq=False)
class _Group:
    """Scores (n,), the positions of their images (n,), and how many boxes they are of."""

    scores: np.ndarray
    image: np.ndarray
    boxes: int
