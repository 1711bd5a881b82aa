"""Whom a model that sees whole photos does not find any more under an attack."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occbench.evaluation.intervals import holm

from ..reading.drops import NO_DROP, Drop, Record, records
from ..reading.load import Run
from ..reading.names import counted, listed, number
from ..reading.slices import Slice, clean_row, maximum
from .table import Column, Row, Table

READING = (
    "A person whom the model does not find has no keypoint at all: this is the coarsest loss, and a part of the drops "
    "above. A model that is told where each person is cannot lose anybody."
)


def found_sentence(run: Run, parts: Sequence[Slice]) -> str:
    """How many are found without occlusion, and under how many attacks clearly fewer."""
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    said = f"Without occlusion {number(100 * float(row['found']), 1)} % of {row['n']:.0f} persons are found."
    for part in parts:
        drops = [drop for by_fill in _drops(part).values() for drop in by_fill.values()]
        if run.has_intervals:
            clear = sum(drop.clear and drop.value > 0 for drop in drops)
            said += f" Under {clear} of {counted(len(drops), f'{part.level} attack')} it is clearly fewer."
    return said


def found_table(part: Slice) -> Table:
    """The share of persons who are found under each attack, and what that is less than without, by target and fill."""
    columns = [Column("target", f"hidden {part.level}"), Column("n_attacked", "n attacked", "count")]
    columns += [Column(f"found_{fill}", fill, "plain", fill, "found") for fill in part.fills]
    columns += [Column(f"drop_found_{fill}", fill, "points", fill, "fewer by") for fill in part.fills]
    drops, shares = _drops(part), {}
    attacked: dict[str, list[float]] = {}
    for row in records(part.overall):
        shares[row["target"], row["fill"]] = float(row["found"])
        attacked.setdefault(row["target"], []).append(float(row["n_attacked"]))
    rows = [
        Row(
            (
                target,
                maximum(attacked.get(target, ())),
                *(shares.get((target, fill), math.nan) for fill in part.fills),
                *(drops.get(target, {}).get(fill, NO_DROP) for fill in part.fills),
            ),
            {"target": target},
        )
        for target in part.targets
    ]
    caption = (
        f"Share of persons who are found when a {part.level} is hidden by {listed(part.fills)}, and how many fewer of "
        "100 than without [95 % interval]."
    )
    return Table(f"found_{part.level}", caption, tuple(columns), tuple(rows), tinted=True)


def _drops(part: Slice) -> dict[str, dict[str, Drop]]:
    """By target and fill how many fewer are found, points; p corrected (Holm) over all of them."""
    rows: list[Record] = records(part.overall)
    corrected = holm(part.overall["p_found"].to_numpy(dtype=float)).tolist()
    found: dict[str, dict[str, Drop]] = {}
    for row, p in zip(rows, corrected, strict=True):
        value, low, high = (float(row[f"drop_found{end}"]) for end in ("", "_lo", "_hi"))
        found.setdefault(row["target"], {})[row["fill"]] = Drop(value, low, high, p)
    return found
