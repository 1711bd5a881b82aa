"""``occbench compare``: models against a baseline."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..evaluation.changes import Compared, Measure

DROPPED = 3
"""Exit code where a figure drops by more than is allowed."""


def compare(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders that `occbench attack` wrote, of one data set.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="The run that the others are compared with. [the first]")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            help="NAME=RUN,RUN,...: trainings of one recipe that differ by their seed; can be given again. "
            "[what the weights say of their training]",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="A name for each run, in their order (baseline, RUNS, --group). [the folders']"),
    ] = None,
    fail_if_drop_over: Annotated[
        float | None,
        typer.Option(
            "--fail-if-drop-over",
            min=0.0,
            help="Exit with 3 where the clean AP, or the mean AP under a kind of attack that both have, lies more "
            "than so many points below the baseline's.",
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", help="What must lie below: the whole interval, or the estimate alone."),
    ] = "interval",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the page, figures and tables go; by default nothing is written.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Write short.html: the answer and its tables, two pages when printed.")
    ] = False,
    kind: Annotated[
        str, typer.Option("--format", help="html: page, figures and tables; md, latex or csv: the tables alone.")
    ] = "html",
    data: Annotated[
        Path | None, typer.Option("--data", help="The annotation file, where it has moved since the runs.")
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="The image folder, likewise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Which model is more robust, and by how much: AP with and without attack, and what is lost, against a baseline.

    Intervals are paired: the same resampled photos for both models. Trainings of one recipe with several seeds are put
    together and paired by seed. Where the runs have several sources of boxes, a run is compared with the run of the
    baseline's recipe over the same boxes. Examples:
    `occbench compare runs/none runs/partmix --out runs/compared`,
    `occbench compare runs/none-* runs/partmix-* --out runs/compared --short`,
    `occbench compare runs/* --baseline runs/none --fail-if-drop-over 0.5`.
    """
    from ..reports.page.build import HTML
    from ..reports.tables.formats import FORMATS

    if kind not in (HTML, *FORMATS):
        raise unknown_name("format", kind, [HTML, *FORMATS])
    if fail_on not in ("interval", "estimate"):
        raise unknown_name("fail-on", fail_on, ("interval", "estimate"))
    if short and (out is None or kind != HTML):
        raise OccbenchError("--short is a page: it needs --out and no other --format than html")
    given = [_group(text) for text in group or []]
    folders = [*([baseline] if baseline is not None else []), *(runs or []), *(run for _, own in given for run in own)]
    folders = list({folder.resolve(): folder for folder in folders}.values())
    places = {folder.resolve(): place for place, folder in enumerate(folders)}
    groups = {name: [places[run.resolve()] for run in own] for name, own in given}

    from ..jobs.comparison import compare_runs
    from ..reports import build_report
    from ..runs.names import run_names
    from ..system.progress import Progress

    progress = Progress()
    labels = run_names(folders, [name.strip() for text in label or [] for name in text.split(",")])
    compared = compare_runs(folders, 0, data, images, progress, labels, groups)
    rule = cast(Literal["interval", "estimate"], fail_on)
    limit = fail_if_drop_over
    failed = [(one, change) for one in compared if limit is not None for change in one.worse_than(limit, rule)]
    written = None
    if out is not None:
        written = build_report(folders, out, progress.say, kind, compared, labels=labels, short=short)
    if as_json:
        print(json.dumps(_summary(folders, labels, compared, failed, written), indent=2))
    else:
        for one in compared:
            print("\n".join(_lines(one)))
        if written is not None:
            print(f"{'report' if kind == HTML else 'tables'}: {written}")
    if failed:
        one, change = failed[0]
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        said = f"{one.group.name} loses {-change.value:.2f} AP points{_ends(change, -1)} ({change.name})"
        typer.echo(f"occbench: {said}, more than {limit:g}{others}", err=True)
        raise typer.Exit(DROPPED)


def _group(text: str) -> tuple[str, list[Path]]:
    name, equals, folders = text.partition("=")
    own = [Path(folder.strip()) for folder in folders.split(",") if folder.strip()]
    if not equals or not name.strip() or not own:
        raise OccbenchError(f"--group {text!r} names no runs: give NAME=RUN,RUN,...")
    return name.strip(), own


def _lines(one: Compared) -> list[str]:
    """The means of one comparison, for reading."""
    by_key = {change.key: change for change in one.changes}
    low = [f"  {name}: {said}" for name, said in one.floors]
    seeds = "by the photos alone" if one.by_photos_alone else f"over photos and {one.seeds} seeds"
    lines = [f"{one.group.name}, against {one.baseline.name} (95 % intervals {seeds}):", *low]
    lines.append(f"  clean AP {_said(by_key['ap', 'clean', '', ''])}")
    for change in one.means():
        if change.quantity == "drop":
            ap = by_key["ap", change.level, change.fill, ""]
            words = f"{_less(change)}; AP under attack {_said(ap)}"
            lines.append(f"  {change.name:<18} mean of {change.n:>2} attacks: {words}")
    return lines


def _less(change: Measure) -> str:
    """``loses 2.7 points less [1.3, 4.1]``."""
    word, sign = ("less", 1) if change.value >= 0 else ("more", -1)
    low, high = sorted((sign * change.low, sign * change.high))
    ends = "" if math.isnan(low) else f" [{low:.1f}, {high:.1f}]"
    return f"loses {abs(change.value):.1f} points {word}{ends}{_unclear(change)}"


def _said(change: Measure) -> str:
    """``+0.4 points [-0.2, +1.1]``."""
    return f"{change.value:+.1f} points{_ends(change)}{_unclear(change)}"


def _unclear(change: Measure) -> str:
    """What is said of an interval that leaves 0 in, or whose corrected p does not bear it out."""
    return "" if change.clear or math.isnan(change.low) else " (cannot be told from zero)"


def _ends(change: Measure, sign: int = 1) -> str:
    low, high = sorted((sign * change.low, sign * change.high))
    return "" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]"


def _summary(
    folders: list[Path],
    labels: list[str],
    compared: list[Compared],
    failed: list[tuple[Compared, Measure]],
    written: Path | None,
) -> dict[str, Any]:
    def plain(**numbers: float) -> dict[str, Any]:
        return {name: None if math.isnan(value) else value for name, value in numbers.items()}

    def about(one: Compared, change: Measure) -> dict[str, Any]:
        found: dict[str, Any] = {"attack": change.name, "quantity": change.quantity, "n": change.n}
        own, base = ({m.key: m.value for m in side}[change.key] for side in (one.own, one.base))
        found |= plain(baseline=base, value=own, better_by=change.value, low=change.low, high=change.high, p=change.p)
        found |= plain(p_adjusted=change.p_adjusted, se_photos=change.se_photos, se_seeds=change.se_seeds)
        return {**found, "photos": change.photos, "clear": change.clear}

    return {
        "compared": [
            {
                "group": one.group.name,
                "runs": [str(folders[place]) for place in one.group.runs],
                "labels": [labels[place] for place in one.group.runs],
                "baseline": one.baseline.name,
                "baseline_runs": [str(folders[place]) for place in one.baseline.runs],
                "paired_by_seed": bool(one.pairs),
                "seeds": one.seeds,
                "nothing_to_lose": dict(one.floors),
                "changes": [about(one, change) for change in one.changes],
            }
            for one in compared
        ],
        "failed": [{"group": one.group.name, **about(one, change)} for one, change in failed],
        "written": None if written is None else str(written),
    }
