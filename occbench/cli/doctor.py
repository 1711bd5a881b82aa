"""``occbench doctor``: what works here and what to do about the rest."""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..jobs.doctor import Check


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Print versions, devices, what of MMPose works, where data and weights are, and how to mend what is missing.

    Exits with 0 if `occbench attack` can run and with 2 if not.
    """
    from ..jobs.doctor import checks, works

    found = checks()
    if as_json:
        print(json.dumps({"works": works(found), "checks": [dataclasses.asdict(check) for check in found]}, indent=2))
    else:
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=False)
        for part in render(found):
            console.print(part)
    if not works(found):
        raise typer.Exit(2)


def render(found: list[Check]) -> list[RenderableType]:
    """The findings as tables, one per group, what to do, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    from ..jobs.doctor import works

    parts: list[RenderableType] = []
    for group, members in groupby(found, key=lambda check: check.group):
        table = Table(box=None, show_header=False, title=group, title_justify="left", title_style="bold")
        for column in ("mark", "name", "found"):
            table.add_column(column, overflow="fold", no_wrap=column != "found")
        for check in members:
            table.add_row(mark(check), Text(check.name), Text(check.found))
        parts += [table, ""]
    mends = [check for check in found if check.mend]
    if mends:
        parts.append(Text("what to do", style="bold"))
        parts += [Text(f"  {check.name}: {check.mend}") for check in mends] + [""]
    parts.append("ready: `occbench attack` can run" if works(found) else "not ready: mend what is marked MISSING")
    return parts


def mark(check: Check) -> str:
    """One word for a finding."""
    if check.ok:
        return "ok"
    return "MISSING" if check.needed else "-"
