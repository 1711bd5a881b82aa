"""What errors turn into, as a table: a row for each kind without the attack, a column for each under it."""

from __future__ import annotations

from collections.abc import Sequence

from ..findings.controls import Estimate
from ..findings.errors import KINDS, Flow
from .table import Column, Row, Table


def flow_table(level: str, flows: Sequence[Flow]) -> Table:
    """The transitions of a level, by fill and group of joints."""
    kinds = [kind for kind in KINDS if any(flow.before(kind) or flow.after(kind) for flow in flows)]
    columns = (
        Column("fill", "fill"),
        Column("joints", "joints"),
        Column("clean", "clean"),
        Column("n", "n", "count"),
        *(Column(f"to_{kind}", kind, "plain", group="becomes, share of n") for kind in kinds),
    )
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    rows = [
        Row(
            (
                *(flow.fill, flow.joints, clean, float(flow.before(clean))),
                *(flow.of_clean.get((clean, kind), nothing) for kind in kinds),
            ),
            {"fill": flow.fill},
        )
        for flow in flows
        for clean in kinds
        if flow.before(clean)
    ]
    caption = (
        f"Labelled joints of persons in whom a {level} was hidden: own are those in the painted region, collateral the "
        "others. Shares of the joints of a kind without the attack, by their kind under it [95 % interval]."
    )
    return Table(f"errors_{level}", caption, columns, tuple(rows), folded=True)
