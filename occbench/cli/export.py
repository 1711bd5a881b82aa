"""``occbench export``: a run in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import unknown_name


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of `occbench attack`.")],
    form: Annotated[str, typer.Option("--format", help="coco, csv, parquet or latex.")] = "coco",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the files. [RUN-FORMAT]")] = None,
) -> None:
    """Write a run as COCO keypoint results, CSV, Parquet or a LaTeX table.

    Examples:

    occbench export runs/demo --format coco --out results

    occbench export runs/demo --format latex
    """
    from ..export import FORMATS
    from ..export import export as write

    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    place = out or run.with_name(f"{run.resolve().name}-{form}")
    files = write(run, form, place)
    print(f"{len(files)} file{'s' * (len(files) != 1)} in {place}")
