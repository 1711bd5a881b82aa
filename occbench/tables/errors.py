"""errors.csv: what kind of error each joint is, and what the kinds turn into under an attack (PROTOCOL section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ..attacks import Attack
from ..inference.predictions import CellPredictions
from ..system.processes import spread
from .finished import FinishedRun
from .migration import ALL, Followed
from .rates import by_annotation
from .rows import Row
from .scoring import covered_by_truth
from .table import CELL, RUN, Column, PerCell, bounds, number, text

TRANSITION: Mapping[str, Column] = {
    "joints": text("`own`: hidden ones of attacked persons; `collateral`: their others; `all`: everybody's"),
    "clean": text("their kind without the attack: `good`, `jitter`, `inversion`, `swap`, `miss` or `lost`"),
    "attacked": text("their kind under it"),
    "persons": number("persons that have any of these joints; of several targets, summed"),
    "total": number("labelled joints of theirs"),
    "n": number("of these, the joints that go from `clean` to `attacked`"),
    "share": number("`n` of `total`, a fraction"),
    **bounds("share", "`share`, over photos; empty with fewer than 10 persons, and where none or all do"),
    "of_clean": number("`n` of the joints that are `clean` without the attack, a fraction"),
    **bounds("of_clean", "`of_clean`, likewise"),
}


class ErrorTable(PerCell):
    """The rows of one cell and group of joints add up to ``total``. With ``lost`` where anything is."""

    name = "errors"
    kept_as = "errors"
    about = "one row per cell, group of joints and pair of kinds (without and under the attack)"
    columns: ClassVar[Mapping[str, Column]] = {
        **RUN,
        **CELL,
        "target": text("the keypoint or part that is hidden, or `all` of them"),
        **TRANSITION,
    }

    def of_cell(self, run: FinishedRun, cell: CellPredictions) -> list[Row]:
        """See :class:`~.table.PerCell`."""
        return run.migration.rows(cell.attack, _followed(run, cell))

    def rows(self, run: FinishedRun) -> list[Row]:
        """Those of all cells, and behind them, for the target `all`, those of several targets together."""
        suites: dict[tuple[str, str, float, str], list[Attack]] = {}
        for attack in run.attacks:
            key = attack.level, attack.fill, attack.radius, str(attack.placement)
            suites.setdefault(key, []).append(attack)
        rows = super().rows(run)
        several = [attack for attacks in suites.values() if len(attacks) > 1 for attack in attacks]
        _ = run.migration  # is made once, before it is shared
        each = spread(lambda attack: _followed(run, run.read(attack)), several, run.processes(len(several)))
        followed = dict(zip(several, each, strict=True))
        for attacks in suites.values():
            if len(attacks) > 1:
                together: dict[str, Followed] = {}
                for attack in attacks:
                    for name, found in followed[attack].items():
                        together[name] = together[name] + found if name in together else found
                rows += [row | {"target": ALL} for row in run.migration.rows(attacks[0], together)]
        return rows


def _followed(run: FinishedRun, cell: CellPredictions) -> dict[str, Followed]:
    poses = by_annotation(run.dataset, cell.keypoints)
    if cell.attack is None:
        return run.migration.follow(poses)
    return run.migration.follow(
        poses, *(covered_by_truth(run.dataset, flags) for flags in (cell.covered, cell.attacked))
    )
