"""``occbench report``: rebuild the report from runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..reports.tables.table import Table


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
        Path | None,
        typer.Option("--data", help="With --rescore or --by: the annotation file, where it has moved since."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help="Add drops by crowd, size, hidden (share occluded), or a FILE.csv by image_id or annotation_id.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write report.html, its figures and its tables, of one run or of several side by side.

    Examples:

    occbench report runs/hrnet

    occbench report runs/hrnet runs/res50 --out runs/both --open

    occbench report runs/hrnet --format latex --out paper

    occbench report runs/old --rescore

    occbench report runs/hrnet --by size
    """
    from ..reports import build_report
    from ..system.errors import OccbenchError
    from ..system.progress import Progress

    if data is not None and not (rescore or by):
        raise OccbenchError("--data goes with --rescore or --by: a report is made of the tables that are there")
    if by is not None and len(runs) > 1:
        raise OccbenchError("--by slices one run: name one alone")
    if rescore:
        _rescore(runs, data)
    whole = out is None and _is_sealed(runs[0])
    more = () if by is None else (_by(runs[0], by, data),)
    written = build_report(runs, out, Progress().say, kind, more=more)
    if whole:
        from ..runs import reseal

        reseal(runs[0])
    print(f"{'report' if kind == 'html' else 'tables'}: {written}")
    if show and kind == "html":
        import webbrowser

        webbrowser.open(written.resolve().as_uri())


def _by(run: Path, by: str, data: Path | None) -> Table:
    from ..jobs.reopen import finished_run
    from ..reports.tables.slices import slices_table
    from ..system.progress import Progress
    from ..tables.slices import slice_drops

    finished = finished_run(run, data)
    with Progress().stage("slices", len(finished.attacks)) as advance:
        drops, said = slice_drops(finished, by, advance)
    for line in said:
        Progress().note(line)
    return slices_table(Path(by).stem, drops)


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
