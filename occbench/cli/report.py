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
    rescore: Annotated[
        bool, typer.Option("--rescore", help="First score the runs anew from their predictions, by the present rule.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --rescore: the annotation file, where it has moved since.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write report.html, its figures and its tables, of one run or of several side by side.

    Examples:

    occbench report runs/hrnet

    occbench report runs/hrnet runs/res50 --out runs/both --open

    occbench report runs/hrnet --format latex --out paper

    occbench report runs/old --rescore
    """
    from ..reports import build_report
    from ..system.errors import OccbenchError
    from ..system.progress import Progress

    if data is not None and not rescore:
        raise OccbenchError("--data goes with --rescore alone: a report is made of the tables that are there")
    if rescore:
        _rescore(runs, data)
    whole = out is None and _is_sealed(runs[0])
    written = build_report(runs, out, Progress().say, kind)
    if whole:
        from ..runs import reseal

        reseal(runs[0])
    print(f"{'report' if kind == 'html' else 'tables'}: {written}")
    if show and kind == "html":
        import webbrowser

        webbrowser.open(written.resolve().as_uri())


def _rescore(runs: list[Path], data: Path | None) -> None:
    from ..jobs.rescore import rescore
    from ..runs.manifest import read_manifest
    from ..system.progress import Progress

    for run in runs:
        with Progress().stage("scoring", len(read_manifest(run)["cells"])) as advance:
            rescore(run, data, advance=advance)


def _is_sealed(run: Path) -> bool:
    """Whether a run is as it was sealed, but perhaps for its report: only then may it be sealed with the new one."""
    from ..runs.manifest import broken_seal
    from ..system.errors import OccbenchError

    try:
        wrong = broken_seal(run)
    except OccbenchError:
        return False
    return all(line.startswith(("report.html ", "plots/", "tables/")) for line in wrong)
