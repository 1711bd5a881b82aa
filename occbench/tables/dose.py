"""shares.csv: what hiding costs against the share of the person that is hidden (PROTOCOL section 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..attacks import Attack
from ..evaluation.bootstrap import MIN_PERSONS
from ..evaluation.intervals import intervals
from ..inference.predictions import CellPredictions
from ..system.processes import spread
from .finished import FinishedRun
from .rows import Row, cell_columns
from .scoring import own_similarity
from .shares import Shares, regions_of
from .table import CELL, RUN, Column, Table, bounds, number, text

EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, np.inf)
"""Of the bins of shares."""

ALL = "all"


class ShareTable(Table):
    """The loss is of OKS, person by person, so that it can be set beside the share of that person."""

    name = "shares"
    about = (
        "one row per attack, and for every fill with all attacks together one row about all and one per bin of shares"
    )
    needs = "attacked cells"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "level": text("what is hidden: a `keypoint` or a `part`, or `all` of both"),
        "fill": text("what it is painted over with, or `all` fills together"),
        "target": text("the keypoint or part that is hidden, or `all` of them"),
        "share_from": number("lower end of the bin of shares; empty in rows about all"),
        "share_to": number("upper end of the bin; empty in rows about all and in the last bin"),
        "n": number("attacked persons; of several attacks, summed"),
        "share": number(
            "mean share of the body hidden: hidden pixels over those of the hull of the labelled keypoints"
        ),
        "keypoints": number("mean number of labelled keypoints hidden"),
        "beyond": number("of fill `object`: mean share of the hidden pixels beyond the disc or rectangle"),
        "loss": number("mean loss of OKS of these persons, clean minus attacked, points (x 100)"),
        **bounds("loss", "`loss`, points, paired by photo"),
        "excess": number("of a fill: `loss` minus that of all fills at the same shares, points"),
        **bounds("excess", "`excess`, points, paired by photo"),
    }

    def applies(self, run: FinishedRun) -> bool:
        """Where anything was attacked, and shares can be told."""
        return bool(run.attacks)

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        finder = Shares(run.dataset, run.geometry, run.crop_size, run.scoring.protocol, run.scoring.seed, run.scope)
        clean = _oks(run, run.clean.keypoints)
        image = np.searchsorted(run.dataset.truth.image_ids, [person.photo.id for person in run.dataset.persons])
        placed = list(dict.fromkeys(regions_of(attack) for attack in run.attacks if attack.fill != "object"))
        hidden = dict(zip(placed, spread(finder.under, placed, run.processes(len(placed))), strict=True))
        nothing = np.full(len(image), np.nan)
        doses = {}
        for attack in run.attacks:
            share = finder.of(cell := run.read(attack), hidden.get(regions_of(attack), nothing))
            doses[attack] = _dose(run, cell, share, clean, image)
        over_photos = _Spread(run)
        rows = [cell_columns(attack) | over_photos.about(dose) for attack, dose in doses.items() if len(dose.loss)]
        return rows + _together(doses, over_photos)


@dataclass(frozen=True, eq=False)
class Dose:
    """The attacked persons of one attack or several.

    Attributes:
        image: Shape (n,), int: position of each person's photo.
        share: Shape (n,): of the body hidden; ``keypoints``: how many are hidden; ``beyond``: share of the hidden
            pixels beyond the region (NaN but for objects); ``loss``: of OKS, points.
    """

    image: np.ndarray
    share: np.ndarray
    keypoints: np.ndarray
    beyond: np.ndarray
    loss: np.ndarray

    def some(self, which: np.ndarray) -> Dose:
        """Some of them."""
        return Dose(*(a[which] for a in (self.image, self.share, self.keypoints, self.beyond, self.loss)))

    @classmethod
    def joined(cls, doses: Sequence[Dose]) -> Dose:
        """Several after each other."""
        names = ("image", "share", "keypoints", "beyond", "loss")
        return cls(*(np.concatenate([getattr(dose, name) for dose in doses]) for name in names))


def _oks(run: FinishedRun, keypoints: np.ndarray) -> np.ndarray:
    """OKS of each box with the person it stands for, (N,); NaN where that has no labelled keypoint."""
    similarity = own_similarity(run.dataset, keypoints)
    count = np.isfinite(similarity).sum(1)
    return np.divide(np.nansum(similarity, axis=1), count, out=np.full(len(count), np.nan), where=count > 0)


def _dose(run: FinishedRun, cell: CellPredictions, share: np.ndarray, clean: np.ndarray, image: np.ndarray) -> Dose:
    loss = 100 * (clean - _oks(run, cell.keypoints))
    beyond = np.full(len(cell), np.nan)
    if cell.attack is not None and cell.attack.fill == "object":
        np.divide(cell.pixels[:, 1], cell.pixels[:, 0], out=beyond, where=cell.pixels[:, 0] > 0, casting="unsafe")
    every = Dose(image, share, cell.covered.sum(1).astype(np.float64), beyond, loss)
    return every.some(np.isfinite(share) & np.isfinite(loss))


def _together(doses: Mapping[Attack, Dose], over_photos: _Spread) -> list[Row]:
    """All attacks of a fill, and of all fills, that are centred: about all persons, then by bin."""
    centred = {attack: dose for attack, dose in doses.items() if attack.placement.kind == "centred" and len(dose.loss)}
    if len(centred) < 2:
        return []
    everything = Dose.joined(list(centred.values()))
    rows: list[Row] = []
    for fill in (ALL, *dict.fromkeys(attack.fill for attack in centred)):
        dose = Dose.joined([one for attack, one in centred.items() if fill in (ALL, attack.fill)])
        where: Row = {"level": ALL, "fill": fill, "target": ALL, "placement": "centred"}
        more = over_photos.excess(dose, everything) if fill != ALL else {}
        rows.append(where | over_photos.about(dose) | more)
        bins = _bin(dose.share)
        for b in np.unique(bins).tolist():
            ends = {"share_from": EDGES[b], "share_to": EDGES[b + 1] if np.isfinite(EDGES[b + 1]) else None}
            rows.append(where | ends | over_photos.about(dose.some(bins == b)))
    return rows


def _bin(share: np.ndarray) -> np.ndarray:
    return np.searchsorted(EDGES, share, side="right") - 1


class _Spread:
    """Means with intervals over the photos of a run."""

    def __init__(self, run: FinishedRun) -> None:
        self._images = len(run.dataset.truth.image_ids)
        weights = run.scoring.weights(self._images)
        self._draws = None if weights is None else weights.draws.astype(np.float64)

    def about(self, dose: Dose) -> Row:
        """Means of a dose."""
        n = len(dose.loss)
        row: Row = {"n": n, "share": dose.share.mean(), "keypoints": dose.keypoints.mean(), "loss": dose.loss.mean()}
        if np.isfinite(dose.beyond).any():
            row["beyond"] = np.nanmean(dose.beyond)
        if self._draws is None or n < MIN_PERSONS:
            return row
        draws = self._mean(dose.image, dose.loss)
        return row | self._ends("loss", row["loss"], draws, dose.image)

    def excess(self, dose: Dose, everything: Dose) -> Row:
        """The loss beyond that of all fills at the same shares: bin by bin, weighted by the bins of the dose."""
        bins, every = _bin(dose.share), _bin(everything.share)
        kept = np.unique(bins).tolist()
        weight = np.array([(bins == b).mean() for b in kept])
        value = sum(
            w * (dose.loss[bins == b].mean() - everything.loss[every == b].mean())
            for w, b in zip(weight, kept, strict=True)
        )
        if self._draws is None or len(dose.loss) < MIN_PERSONS:
            return {"excess": value}
        draws = np.zeros(len(self._draws))
        for w, b in zip(weight, kept, strict=True):
            here, there = dose.some(bins == b), everything.some(every == b)
            draws += w * (self._mean(here.image, here.loss) - self._mean(there.image, there.loss))
        return {"excess": value} | self._ends("excess", value, draws, dose.image)

    def _mean(self, image: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The mean in every draw; NaN where it has nobody."""
        assert self._draws is not None
        total = self._draws @ np.bincount(image, values, self._images)
        count = self._draws @ np.bincount(image, minlength=self._images)
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)

    def _ends(self, name: str, value: float, draws: np.ndarray, image: np.ndarray) -> Row:
        images = np.array([len(np.unique(image))])
        found = intervals(np.array([value]), draws[:, None], clusters=images, changed=images)
        return {f"{name}_lo": found.lo[0], f"{name}_hi": found.hi[0]}
