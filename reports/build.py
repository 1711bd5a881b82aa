"""Run folders in, one report out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from occbench.errors import OccbenchError

from .figures import LevelView, PlotFolder, Progress, draw_level
from .files import write_atomically
from .html import Comparison, RunView, differences, render, run_labels, view_run
from .load import LEVELS, Run, load_run
from .plot_compare import plot_comparison


def build_report(run_dirs: Sequence[Path], out: Path | None = None, progress: Progress | None = None) -> Path:
    """Write plots/*.svg, plots/*.png and report.html from finished runs alone.

    The same runs give the same bytes. The page is written last and whole, so a reader never meets half a report.

    Args:
        run_dirs: One or more run folders; several are compared, then shown one by one.
        out: Where to write; the run folder itself when there is one run.
        progress: Called with a short line before each step.

    Returns:
        Path of report.html.

    Raises:
        OccbenchError: No run, several without ``out``, a damaged run folder, or ``out`` cannot be written.
    """
    if not run_dirs:
        raise OccbenchError("no run given; name one or more folders that `occbench attack` wrote")
    if out is None:
        if len(run_dirs) > 1:
            raise OccbenchError("a report of several runs needs a folder of its own; name it with --out")
        out = Path(run_dirs[0])
    say: Progress = progress or (lambda line: None)
    runs = [load_run(Path(folder)) for folder in run_dirs]
    labels = run_labels(runs)
    views = [
        _view(run, label, f"r{i + 1}" if len(runs) > 1 else "run", out, len(runs) > 1, say)
        for i, (run, label) in enumerate(zip(runs, labels, strict=True))
    ]
    comparison = _compare(runs, views, out) if len(runs) > 1 else None
    say("report.html")
    page = out / "report.html"
    write_atomically(page, render(_title(views), views, comparison).encode())
    return page


def _view(run: Run, label: str, anchor: str, out: Path, several: bool, progress: Progress) -> RunView:
    plots = PlotFolder(out, f"{anchor}_" if several else "")
    drawn = (draw_level(run, level, plots, lambda line: progress(f"{label}: {line}")) for level in LEVELS)
    levels: list[LevelView] = [level for level in drawn if level is not None]
    return view_run(run, label, anchor, levels)


def _compare(runs: Sequence[Run], views: Sequence[RunView], out: Path) -> Comparison:
    columns = list(dict.fromkeys((m.level, m.fill) for view in views for m in view.means))
    columns.sort(key=lambda c: LEVELS.index(c[0]))
    plots = PlotFolder(out, "")
    means = {view.label: view.means for view in views}
    figures = []
    for level in dict.fromkeys(level for level, _ in columns):
        label = f"Bars: mean drop of the {level} attacks per fill, one bar per run"
        figures.append((level, plots.add(plot_comparison(means, level), f"compare_{level}", label)))
    return Comparison(columns, figures, differences(runs))


def _title(views: Sequence[RunView]) -> str:
    if len(views) == 1:
        return f"{views[0].label} under occlusion"
    return f"{len(views)} runs under occlusion"
