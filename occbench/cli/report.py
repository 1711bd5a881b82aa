"""``occbench report``: rebuild the report from runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `occbench attack` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default into the one run.")] = None,
    kind: Annotated[
        str, typer.Option("--format", help="html: page, figures and tables; md, latex or csv: the tables alone.")
    ] = "html",
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write report.html, its figures and its tables, of one run or of several side by side.

    Examples:

    occbench report runs/hrnet

    occbench report runs/hrnet runs/res50 --out runs/both --open

    occbench report runs/hrnet --format latex --out paper
    """
    from ..reports import build_report
    from ..system.progress import Progress

    whole = out is None and _is_sealed(runs[0])
    written = build_report(runs, out, Progress().say, kind)
    if whole:
        from ..runs import reseal

        reseal(runs[0])
    print(f"{'report' if kind == 'html' else 'tables'}: {written}")
    if show and kind == "html":
        import webbrowser

        webbrowser.open(written.resolve().as_uri())


def _is_sealed(run: Path) -> bool:
    """Whether a run is as it was sealed, but perhaps for its report: only then may it be sealed with the new one."""
    from ..runs.manifest import broken_seal
    from ..system.errors import OccbenchError

    try:
        wrong = broken_seal(run)
    except OccbenchError:
        return False
    return all(line.startswith(("report.html ", "plots/", "tables/")) for line in wrong)
