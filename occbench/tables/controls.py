"""controls.csv: is a model robust, or does it read the occluder as a marker? (PROTOCOL section 8)

The figures are differences between cells of the same persons, so their intervals are paired: every bootstrap draw takes
the same photos for the clean cell and under all placements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from ..attacks import Attack
from ..evaluation.bootstrap import MIN_PERSONS, Resampled
from ..evaluation.intervals import intervals
from .finished import FinishedRun
from .rates import metric_name
from .rows import Row
from .table import CELL, RUN, Column, Table, bounds, number, text
from .told import told_all, verdict

_FAMILY = "the rows of one level and radius: the means, or the single targets"

EFFECTS = ("marker", "gain", "placebo", "corrected")
"""Points (x 100), each with ``_lo`` and ``_hi``: own figure centred - among decoys; centred - clean; clean - placebo;
(clean - among n decoys) - n x placebo."""


class Controls(Table):
    """A target's own figure is that of the hidden keypoint; of a part the mean over its keypoints that are measurable
    under every placement. Intervals need :data:`MIN_PERSONS` persons for each of them."""

    name = "controls"
    about = "one row per placement with decoys and target, and one with their mean for the target `all`"
    needs = "targets that were hidden both centred and among decoys"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        "level": text("what is hidden: a `keypoint` or a `part`"),
        "fill": text("what it is painted over with"),
        "radius": CELL["radius"],
        "target": text("the keypoint or part that is hidden, or `all`"),
        "placement": text("`decoys:N`"),
        "metric": text("what the figures are: `AP`, `PCKh@0.5`, ..."),
        "n_targets": number("targets that the row is the mean of"),
        "marker": number("marker effect: own figure centred minus among decoys, points (x 100)"),
        **bounds("marker", "`marker`, points, paired by photo"),
        **verdict("marker", _FAMILY, "marker_"),
        "gain": number("own figure centred minus clean, points"),
        **bounds("gain", "`gain`, points, paired by photo"),
        **verdict("gain", _FAMILY, "gain_"),
        "placebo": number("own figure clean minus under a placebo, points"),
        **bounds("placebo", "`placebo`, points, paired by photo"),
        **verdict("placebo", _FAMILY, "placebo_"),
        "corrected": number("leak-corrected loss: (clean minus among N decoys) minus N times `placebo`, points"),
        **bounds("corrected", "`corrected`, points, paired by photo"),
        **verdict("corrected", _FAMILY, "corrected_"),
    }

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """See :class:`~.table.Table`; p adjusted by effect (Holm)."""
        table = super().frame(rows)
        mean = table["target"].eq("all").map({True: "mean", False: "single"})
        family = table["level"] + " " + table["radius"].astype(str) + " " + mean
        return told_all(table, family, {effect: f"{effect}_" for effect in EFFECTS})

    def applies(self, run: FinishedRun) -> bool:
        """Where something was hidden both centred and among decoys."""
        return bool(_suites(run.attacks))

    def rows(self, run: FinishedRun) -> list[Row]:
        """See :class:`~.table.Table`."""
        clean = run.figures.by_keypoint(run.clean)
        metric = metric_name(run.dataset)
        rows: list[Row] = []
        for (level, fill, radius), targets in _suites(run.attacks).items():
            found: dict[str, list[_Effects]] = {}
            for target, by_placement in targets.items():
                hidden = run.dataset.skeleton.indices(level, target)
                cells = {place: run.figures.of_keypoints(run.read(a), hidden) for place, a in by_placement.items()}
                for placement, effects in _effects(hidden, clean, cells):
                    found.setdefault(placement, []).append(effects)
                    row = {"level": level, "fill": fill, "radius": radius, "target": target, "placement": placement}
                    rows.append(row | {"metric": metric, "n_targets": 1} | effects.row())
            for placement, several in found.items():
                row = {"level": level, "fill": fill, "radius": radius, "target": "all", "placement": placement}
                rows.append(row | {"metric": metric, "n_targets": len(several)} | _mean(several).row())
        return rows


def _suites(attacks: Sequence[Attack]) -> dict[tuple[str, str, float], dict[str, dict[str, Attack]]]:
    """By level, fill and radius: of each target that was hidden centred and among decoys, the attack by placement."""
    suites: dict[tuple[str, str, float], dict[str, dict[str, Attack]]] = {}
    for attack in attacks:
        suite = suites.setdefault((attack.level, attack.fill, attack.radius), {})
        suite.setdefault(attack.target, {})[str(attack.placement)] = attack
    known = {
        key: {
            target: placed
            for target, placed in targets.items()
            if "centred" in placed and any(a.placement.kind == "decoys" for a in placed.values())
        }
        for key, targets in suites.items()
    }
    return {key: targets for key, targets in known.items() if targets}


@dataclass(frozen=True, eq=False)
class _Effects:
    """The effects of one target, or their means.

    Attributes:
        points: By effect, shape (1 + B,), float64, points: in the data, then in every draw.
        images: Photos with persons that count; ``changed``: photos that are not the same in all cells.
    """

    points: Mapping[str, np.ndarray]
    images: int
    changed: int

    def row(self) -> Row:
        """The columns of the effects."""
        values = np.stack([self.points[name] for name in EFFECTS], axis=1)
        images, changed = (np.full(len(EFFECTS), number) for number in (self.images, self.changed))
        found = intervals(values[0], values[1:], clusters=images, method="student", changed=changed)
        return {
            name + end: float(numbers[i])
            for i, name in enumerate(EFFECTS)
            for end, numbers in (("", values[0]), ("_lo", found.lo), ("_hi", found.hi), ("_p", found.p))
        }


def _effects(hidden: Sequence[int], clean: Resampled, cells: Mapping[str, Resampled]) -> Iterator[tuple[str, _Effects]]:
    """By placement with decoys."""
    all_own = {placement: _figures(hidden, cell) for placement, cell in cells.items()}
    all_own["clean"] = _figures(hidden, clean)
    measured = np.logical_and.reduce([np.isfinite(own[0]) for own in all_own.values()])
    members = np.array([clean.keys.index(k) for k in hidden])[measured]
    own = {placement: 100 * _mean_of(figures[:, measured]) for placement, figures in all_own.items()}
    few = not len(members) or (clean.n[members] < MIN_PERSONS).any()
    nothing = np.full_like(own["clean"], np.nan)
    for placement in cells:
        kind, _, decoys = placement.partition(":")
        if kind != "decoys":
            continue
        placebo = own["clean"] - own["placebo"] if "placebo" in own else nothing
        points = {
            "marker": own["centred"] - own[placement],
            "gain": own["centred"] - own["clean"],
            "placebo": placebo,
            "corrected": own["clean"] - own[placement] - int(decoys) * placebo,
        }
        for effect in points.values():
            effect[1:] = np.nan if few else effect[1:]
        images = int(clean.images[members].min()) if len(members) else 0
        yield placement, _Effects(points, images, _changed(hidden, [clean, *cells.values()]))


def _changed(hidden: Sequence[int], cells: Sequence[Resampled]) -> int:
    """Photos in which what decides the figure of any hidden keypoint is not the same in all cells."""
    each = [np.concatenate([cell.signatures[cell.keys.index(k)] for k in hidden]) for cell in cells]
    other = np.any([each[0] != one for one in each[1:]], axis=0).reshape(len(hidden), -1)
    return int(np.count_nonzero(other.any(axis=0)))


def _figures(hidden: Sequence[int], cell: Resampled) -> np.ndarray:
    """Of the hidden keypoints, shape (1 + B, M): in the data, then in every draw; fractions."""
    at = [cell.keys.index(k) for k in hidden]
    return np.concatenate([cell.exact[None, at], cell.draws[:, at].reshape(-1, len(at))])


def _mean_of(figures: np.ndarray) -> np.ndarray:
    """The mean over the last axis; NaN where it is empty."""
    return figures.mean(-1) if figures.shape[-1] else np.full(figures.shape[:-1], np.nan)


def _mean(several: Sequence[_Effects]) -> _Effects:
    """The mean over targets, of those that have the effect."""
    points = {}
    for name in EFFECTS:
        known = [effects.points[name] for effects in several if np.isfinite(effects.points[name][0])]
        points[name] = np.mean(known, axis=0) if known else several[0].points[name]
    changed = max(effects.changed for effects in several)
    return _Effects(points, min(effects.images for effects in several), changed)
