"""``occbench compare``: retrained models against a baseline."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..system.errors import unknown_name

if TYPE_CHECKING:
    from ..evaluation.changes import Change, Compared

DROPPED = 3
"""Exit code where a figure drops by more than is allowed."""


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `occbench attack` wrote, of one data set.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="The run that the others are compared with. [the first]")
    ] = None,
    fail_if_drop_over: Annotated[
        float | None,
        typer.Option(
            "--fail-if-drop-over",
            min=0.0,
            help="Exit with 3 where the clean AP, or the mean AP under a kind of attack that both runs have, lies more "
            "than so many points below the baseline's.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the page, figures and tables go; by default nothing is written.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--format", help="html: page, figures and tables; md, latex or csv: the tables alone.")
    ] = "html",
    data: Annotated[
        Path | None, typer.Option("--data", help="The annotation file, where it has moved since the runs.")
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="The image folder, likewise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Put a baseline and retrained models side by side: AP without and under attack, and its change.

    Intervals of a change are paired: the same resampled photos for both models. Where the runs have several sources of
    boxes, a run is compared with the run of the baseline's weights over the same boxes. Examples:
    `occbench compare runs/none runs/partmix --out runs/compared`,
    `occbench compare runs/* --baseline runs/none --fail-if-drop-over 0.5`.
    """
    from ..reports.page.build import HTML
    from ..reports.tables.formats import FORMATS

    if kind not in (HTML, *FORMATS):
        raise unknown_name("format", kind, [HTML, *FORMATS])
    folders = [*([baseline] if baseline is not None else []), *runs]
    folders = list({folder.resolve(): folder for folder in folders}.values())

    from ..jobs.comparison import compare_runs
    from ..reports import build_report, load_run
    from ..reports.findings.compare import run_labels
    from ..system.progress import Progress

    progress = Progress()
    labels = run_labels([load_run(folder) for folder in folders])
    compared = compare_runs(folders, 0, data, images, progress)
    failed = [(one, change) for one in compared for change in _failures(one, fail_if_drop_over)]
    written = None if out is None else build_report(folders, out, progress.say, kind, compared)
    if as_json:
        print(json.dumps(_summary(folders, labels, compared, failed, written), indent=2))
    else:
        for one in compared:
            clean, base = one.changes[0], labels[one.baseline]
            print(f"{labels[one.run]}, against {base}: clean AP {_said(clean)}")
            for change in one.changes[1:]:
                print(f"  {change.name:<20} mean AP over {change.n} attacks {_said(change)}")
        if written is not None:
            print(f"{'report' if kind == HTML else 'tables'}: {written}")
    if failed:
        one, change = failed[0]
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        words = (
            f"{labels[one.run]} loses {-change.value:.2f} AP points ({change.name}), more than {fail_if_drop_over:g}"
        )
        typer.echo(f"occbench: {words}{others}", err=True)
        raise typer.Exit(DROPPED)


def _failures(one: Compared, limit: float | None) -> tuple[Change, ...]:
    return () if limit is None else one.worse_than(limit)


def _said(change: Change) -> str:
    """``+0.4 points [-0.2, +1.1]``."""
    ends = "" if math.isnan(change.low) else f" [{change.low:+.1f}, {change.high:+.1f}]"
    return f"{change.value:+.1f} points{ends}"


def _summary(
    folders: list[Path],
    labels: list[str],
    compared: list[Compared],
    failed: list[tuple[Compared, Change]],
    written: Path | None,
) -> dict[str, Any]:
    def plain(change: Change) -> dict[str, Any]:
        ends = {"low": change.low, "high": change.high}
        known = {name: None if math.isnan(value) else value for name, value in ends.items()}
        return {"attack": change.name, "n": change.n, "change": change.value, **known}

    return {
        "runs": [
            {
                "run": str(folders[one.run]),
                "label": labels[one.run],
                "baseline": str(folders[one.baseline]),
                "changes": [plain(change) for change in one.changes],
            }
            for one in compared
        ],
        "failed": [{"run": str(folders[one.run]), **plain(change)} for one, change in failed],
        "written": None if written is None else str(written),
    }
