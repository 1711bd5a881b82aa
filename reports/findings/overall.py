"""What hiding a target costs over all keypoints, and what the clean cell scores (PROTOCOL section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..reading.drops import NO_DROP, Drop, Record, drop_of, mean_of, records
from ..reading.load import LEVELS, Run
from ..reading.slices import Slice, clean_row, main_slice, maximum

COCO_FIGURES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_m": "AP(M)",
    "ap_l": "AP(L)",
    "ar": "AR",
    "ar50": "AR50",
    "ar75": "AR75",
    "ar_m": "AR(M)",
    "ar_l": "AR(L)",
}
WORST = 3


@dataclass(frozen=True)
class CleanFigure:
    """One of COCO's ten figures; ``published`` is the model's own claim, on other data or boxes."""

    name: str
    column: str
    measured: float
    published: float


@dataclass(frozen=True)
class TargetRow:
    """A target's drop per fill. ``n_attacked`` is the number of persons hidden."""

    target: str
    n_attacked: float
    drops: dict[str, Drop]

    @property
    def worst(self) -> tuple[str, Drop]:
        """The fill with the largest drop; an empty name where there is none."""
        known = {f: d for f, d in self.drops.items() if not math.isnan(d.value)}
        fill = max(known, key=lambda f: known[f].value, default="")
        return fill, known.get(fill, NO_DROP)


@dataclass(frozen=True)
class MeanDrop:
    """Mean over the targets of a level of the overall drop under one fill."""

    level: str
    fill: str
    mean: Drop
    n_targets: int


def clean_figures(run: Run) -> list[CleanFigure]:
    """COCO's ten figures of the clean cell, each beside the published one of the same name, if any."""
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    published = {_figure_key(name): value for name, value in run.manifest.model.published.items()}
    return [
        CleanFigure(name, column, float(row[column]), _fraction(published.get(column, math.nan)))
        for column, name in COCO_FIGURES.items()
    ]


def _figure_key(name: str) -> str:
    """``AP@0.5``, ``AP .5`` and ``AP50`` are one figure: ``ap50``; ``AP (M)`` and ``APM`` are ``ap_m``."""
    plain = "".join(c for c in name.lower() if c.isalnum())
    stem, rest = plain[:2], plain[2:].lstrip("0")
    rest = {"5": "50", "m": "_m", "l": "_l"}.get(rest, rest)
    return stem + rest


def _fraction(value: float) -> float:
    return value / 100 if value > 1.5 else value


def overall_drops(part: Slice) -> list[TargetRow]:
    """Drop of the AP over all keypoints, per target and fill (Figs 5 and 7 of the thesis)."""
    groups: dict[str, list[Record]] = {}
    for row in records(part.overall):
        groups.setdefault(row["target"], []).append(row)
    table = []
    for target in part.targets:
        mine = groups.get(target, [])
        found = {row["fill"]: drop_of(row) for row in mine}
        n = maximum(row["n_attacked"] for row in mine)
        table.append(TargetRow(target, n, {fill: found.get(fill, NO_DROP) for fill in part.fills}))
    return table


def mean_drops(run: Run) -> list[MeanDrop]:
    """Per level and fill the mean overall drop of the main slice, over the targets that have one."""
    table = []
    for level in LEVELS:
        part = main_slice(run, level)
        if part is None:
            continue
        rows = overall_drops(part)
        for fill in part.fills:
            drops = [row.drops[fill] for row in rows if not math.isnan(row.drops[fill].value)]
            table.append(MeanDrop(level, fill, mean_of(drops), len(drops)))
    return table


def worst_targets(rows: list[TargetRow], top: int = WORST) -> list[tuple[str, str, Drop]]:
    """The targets with the largest drop under any fill, as (target, fill, drop), largest first."""
    found = [(row.target, *row.worst) for row in rows]
    return sorted((f for f in found if not math.isnan(f[2].value)), key=lambda f: -f[2].value)[:top]
