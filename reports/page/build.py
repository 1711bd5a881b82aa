"""Run folders in, one report out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from occbench.evaluation.changes import Compared
from occbench.system.errors import OccbenchError, unknown_name

from ..files import write_atomically
from ..findings.compare import run_labels
from ..reading.load import Run, load_run
from ..tables.formats import FORMATS
from ..tables.table import Table
from .answer import answer as first_screen
from .html import render
from .page import Chapter, Page, Section
from .plots import BUDGET, PlotFolder
from .sections import run_sections
from .sections_compare import ANCHOR, comparison_answer, comparison_sections, comparison_title
from .shared import table_block

Progress = Callable[[str], None]

HTML = "html"


def build_report(
    run_dirs: Sequence[Path],
    out: Path | None = None,
    progress: Progress | None = None,
    kind: str = HTML,
    compared: Sequence[Compared] = (),
    labels: Sequence[str] = (),
    short: bool = False,
    more: Sequence[Table] = (),
) -> Path:
    """Write report.html, plots/ (SVG and PNG) and tables/ (CSV, Markdown, LaTeX) from finished runs alone.

    The same runs give the same bytes. The page is written last and whole, so a reader never meets half a report.

    Args:
        run_dirs: One or more run folders; several are compared, then shown one by one.
        out: Where to write; the run folder itself when there is one run.
        progress: Called with a short line before each step.
        kind: ``html`` for everything; ``csv``, ``md`` or ``latex`` for tables/ in that format alone.
        compared: Models against a baseline, for the comparison of several runs.
        labels: What the runs are called; by default as their folders.
        more: Tables that are added to the one run.
        short: Write short.html, the comparison alone and what matters most of it, in place of report.html.

    Returns:
        Path of the page, or of tables/.

    Raises:
        OccbenchError: No run, several without ``out``, a damaged run folder, an unknown ``kind``, or ``out`` cannot be
            written.
    """
    if kind not in (HTML, *FORMATS):
        raise unknown_name("format", kind, [HTML, *FORMATS])
    if not run_dirs:
        raise OccbenchError("no run given; name one or more folders that `occbench attack` wrote")
    if out is None:
        if len(run_dirs) > 1:
            raise OccbenchError("a report of several runs needs a folder of its own; name it with --out")
        out = Path(run_dirs[0])
    say: Progress = progress or (lambda line: None)
    runs = [load_run(Path(folder)) for folder in run_dirs]
    draws = kind == HTML
    page, written = _page(runs, labels or _labels(runs), out, draws, say, compared, short, more)
    written |= _write_tables(page, out, list(FORMATS) if draws else [kind])
    if not draws:
        return out / "tables"
    file = out / ("short.html" if short else "report.html")
    say(file.name)
    write_atomically(file, render(page).encode())
    if (out / "manifest.json").exists():  # a run's own folder: what an earlier report left there is out of date
        _drop_others(out, written)
    return file


def _page(
    runs: Sequence[Run],
    labels: Sequence[str],
    out: Path,
    draws: bool,
    say: Progress,
    compared: Sequence[Compared],
    short: bool,
    more: Sequence[Table],
) -> tuple[Page, set[Path]]:
    chapters: list[Chapter] = []
    written: set[Path] = set()
    if len(runs) > 1:
        plots = PlotFolder(out, "", 0, draws)
        sections = []
        for section in comparison_sections(runs, labels, plots, compared, short):
            say(f"comparison: {section.title}")
            sections.append(section)
        chapters.append(Chapter(ANCHOR, "Comparison", comparison_answer(runs, labels, compared), tuple(sections)))
        written |= plots.written
    budget = BUDGET
    shown = [] if short else list(zip(runs, labels, strict=True))
    for number, (run, label) in enumerate(shown, 1):
        anchor = f"r{number}" if len(runs) > 1 else "run"
        plots = PlotFolder(out, f"{anchor}_" if len(runs) > 1 else "", budget, draws)
        sections = []
        for section in run_sections(run, anchor, plots):
            say(f"{label}: {section.title}")
            sections.append(section)
        for table in more:
            sections.append(Section(f"{anchor}-{table.name}", "By slices of the persons", (table_block(table, plots),)))
        budget = plots.budget
        written |= plots.written
        chapters.append(Chapter(anchor, label, first_screen(run), tuple(sections)))
    title = comparison_title(labels, compared) if len(runs) > 1 else f"{labels[0]} under occlusion"
    return Page(title, _lead(runs), tuple(chapters), "short" if short else "runs", _sees(runs)), written


def _sees(runs: Sequence[Run]) -> Literal["crop", "photo", "both"]:
    photos = {run.manifest.model.sees_photos for run in runs}
    return "both" if len(photos) > 1 else "photo" if True in photos else "crop"


def _labels(runs: Sequence[Run]) -> list[str]:
    return run_labels(runs) if len(runs) > 1 else [runs[0].manifest.model.name]


def _lead(runs: Sequence[Run]) -> str:
    if len(runs) > 1:
        return "Which model loses less when part of a person is hidden, and by how much."
    data = runs[0].manifest.data
    return f"{data.n_persons} persons of {data.name}: what it costs to hide one keypoint or one part at a time."


def _write_tables(page: Page, out: Path, kinds: Sequence[str]) -> set[Path]:
    written = set()
    for block in page.tables():
        for kind in kinds:
            ending, write = FORMATS[kind]
            file = out / f"{block.file}.{ending}"
            write_atomically(file, write(block.table).encode())
            written.add(file)
    return written


def _drop_others(out: Path, written: set[Path]) -> None:
    """Remove figures and tables that this report does not have."""
    for folder in (out / "plots", out / "tables"):
        for file in folder.glob("*"):
            if file not in written and file.is_file():
                file.unlink()
