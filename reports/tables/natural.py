"""Natural beside synthetic occlusion: a table of both losses by keypoint, and how far their ranks agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occbench.evaluation.intervals import ALPHA

from ..reading.drops import Drop, Record, records
from ..reading.load import Run
from ..reading.names import listed, number
from .table import Column, Row, Table

READING = (
    "Of the keypoints that something hides in the photo itself, and of those that were hidden here. The natural loss "
    "is between different persons, and who is occluded is also smaller, more crowded, or turned away; standardised, it "
    "is over persons of like area and number of labelled keypoints. The synthetic loss is of the same persons. So only "
    "the ranks of relative losses are compared, left and right as one."
)


def has_natural(run: Run) -> bool:
    """Whether the run's data set says which keypoints are occluded, and a keypoint was hidden."""
    return not run.natural.empty


def natural_fills(run: Run) -> list[tuple[str, float]]:
    """The fills of the table, each with the radius (crop px) of its attacks."""
    rows = records(run.natural)
    return list(dict.fromkeys((str(r["fill"]), float(r["radius"])) for r in rows))


def correlation_sentences(run: Run) -> list[str]:
    """Per fill Spearman's rank correlation with its p, in words; none of a run that has no p for it."""
    said = []
    for row in records(run.natural[run.natural["keypoint"] == "all"]):
        n, fill = row["n_keypoints"], row["fill"].capitalize()
        if math.isnan(row["rho"]):
            said.append(f"{fill}: {n:.0f} kinds of keypoints have both losses, too few for a rank correlation.")
        elif not math.isnan(row["rho_p"]):
            p = "< 0.001" if row["rho_p"] < 0.001 else f"= {number(row['rho_p'], 3)}"
            zero = "" if row["rho_p"] < ALPHA else ": it cannot be told from none"
            said.append(
                f"{fill}: the relative losses have Spearman's ρ = {_rho(row)} over {n:.0f} kinds of keypoints, "
                f"p {p} by permutations{zero}."
            )
    return said


def _rho(row: Record) -> str:
    """With its interval, where the run has one."""
    ends = "" if math.isnan(row["rho_lo"]) else f" [{number(row['rho_lo'], 2)}, {number(row['rho_hi'], 2)}]"
    return number(row["rho"], 2) + ends


def natural_table(run: Run) -> Table:
    """Both losses by keypoint; the natural one does not depend on the fill."""
    fills = natural_fills(run)
    rows = records(run.natural[run.natural["keypoint"] != "all"])
    first = [r for r in rows if r["fill"] == fills[0][0]]
    synthetic = {(r["keypoint"], r["fill"]): _loss(r, "synthetic") for r in rows}
    columns = [
        Column("keypoint", "keypoint"),
        Column("n_visible", "n visible", "count"),
        Column("n_occluded", "n occluded", "count"),
        Column("visible", f"{run.metric} visible", "ap"),
        Column("occluded", f"{run.metric} occluded", "ap"),
        Column("natural", "natural loss", "points"),
        Column("standardised", "standardised", "points"),
        *(Column(f"synthetic_{fill}", fill, "points", fill, "synthetic loss") for fill, _ in fills),
    ]
    found = [
        Row(
            (
                *(r["keypoint"], r["n_visible"], r["n_occluded"], r["visible"], r["occluded"]),
                *(_loss(r, "natural"), _loss(r, "standardised")),
                *(synthetic[r["keypoint"], fill] for fill, _ in fills),
            ),
            {"keypoint": r["keypoint"]},
        )
        for r in first
    ]
    return Table("natural", _caption(run, fills), tuple(columns), tuple(found))


def _caption(run: Run, fills: Sequence[tuple[str, float]]) -> str:
    sizes = listed(dict.fromkeys(f"{radius:g}" for _, radius in fills))
    return (
        f"Natural loss: clean {run.metric} where the keypoint is annotated as visible minus where it is annotated as "
        "occluded; standardised: over persons of like area and number of labelled keypoints. Synthetic loss: drop of "
        f"the keypoint's own {run.metric} when it is hidden (centred, r = {sizes} px). All in points (× 100) "
        "[95 % interval]; a dash: fewer than 10 persons, or fewer than 6 photos that changed."
    )


def _loss(row: Record, name: str) -> Drop:
    return Drop(row[name], row[f"{name}_lo"], row[f"{name}_hi"], row[f"{name}_p_adjusted"])
