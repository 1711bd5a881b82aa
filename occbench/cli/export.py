"""``occbench export``: a run in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..system.errors import unknown_name


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of `occbench attack`.")],
    form: Annotated[str, typer.Option("--format", help="coco, csv, parquet or latex.")] = "coco",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the files. [RUN-FORMAT]")] = None,
    attacked_images: Annotated[
        Path | None,
        typer.Option("--attacked-images", help="Write the attacked photos of a run of --scope image here instead."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="For attacked photos, the run's model where it is a CONFIG.py.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Likewise, its annotation file if it has moved.")] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Likewise, its image folder.")] = None,
    occluders: Annotated[Path | None, typer.Option("--occluders", help="Likewise, its folder of cut-outs.")] = None,
    trust_config: Annotated[
        bool, typer.Option("--trust-config", help="Let a config run code from outside of its own tree.")
    ] = False,
) -> None:
    """Write a run as COCO keypoint results, CSV, Parquet or a LaTeX table, or its attacked photos as PNG.

    Examples:

    occbench export runs/demo --format coco --out results

    occbench export runs/demo --format latex

    occbench export runs/demo-image --attacked-images attacked
    """
    if attacked_images is not None:
        from ..jobs.attacked_photos import export_attacked
        from ..system.progress import Progress

        with Progress().counted("photos") as advance:
            cells = export_attacked(run, attacked_images, model, data, images, occluders, trust_config, advance)
        print(f"{len(cells)} cells in {attacked_images}: images, masks and annotations.json of each")
        return
    from ..jobs.export import FORMATS
    from ..jobs.export import export as write

    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    place = out or run.with_name(f"{run.resolve().name}-{form}")
    files = write(run, form, place)
    print(f"{len(files)} file{'s' * (len(files) != 1)} in {place}")
