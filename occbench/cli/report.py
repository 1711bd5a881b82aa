"""``occbench report``: rebuild the report from runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `occbench attack` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; by default into the one run.")] = None,
) -> None:
    """Write report.html and the plots of one run, or of several side by side.

    Example: `occbench report runs/hrnet runs/res50 --out runs/both`.
    """
    from ..progress import Progress
    from ..reports import build_report

    print(f"report: {build_report(runs, out, Progress().say)}")
