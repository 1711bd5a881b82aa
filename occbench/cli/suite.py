"""``occbench suite``: the attacked photos of every cell, for a machine where occbench is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .lists import values


def suite(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet or is empty.")],
    data: Annotated[str, typer.Option("--data", help="A name of `occbench ls datasets`, or an annotation file.")],
    kind: Annotated[
        list[str], typer.Option("--kind", help="LEVEL-FILL as in `occbench ls kinds`; or keypoint-all, part-all, all.")
    ],
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Keypoint or part to hide; by default every one, a cell each.")
    ] = None,
    radius: Annotated[
        list[str] | None, typer.Option("--radius", help="Crop px: the disc's radius, or a part's margin. [6]")
    ] = None,
    placement: Annotated[
        list[str] | None, typer.Option("--placement", help="centred, jittered, decoys:N or placebo. [centred]")
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Image folder of an annotation file.")] = None,
    occluders: Annotated[
        Path | None, typer.Option("--occluders", help="RGBA pictures for fill object, copied into OUT. [drawn ones]")
    ] = None,
    crop: Annotated[
        str | None, typer.Option("--crop", help="The crop that radii are said in. [192x256; of MPII 256x256]")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first photos with people.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random placements and contents.")] = 0,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out photos that cannot be read.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse annotations that are repaired or left out in part.")
    ] = False,
) -> None:
    """Write the photos of every cell, with everybody in them hidden, and what is needed to make a run of the results.

    OUT/CELL/images has the photos of a cell, OUT/CELL/annotations.json their ids. Run anything on them, on any machine,
    and write COCO keypoint results of each cell as RESULTS/CELL.json; then
    `occbench evaluate --suite OUT --predictions RESULTS` makes the run and its report. Example:
    `occbench suite suite --data sample --kind part-blackout --limit 10`.
    """
    from ..api.suite import write_suite

    told = write_suite(
        out,
        data,
        values(kind),
        targets=values(target),
        radii=values(radius),
        placements=values(placement),
        images=images,
        occluders=occluders,
        crop=crop,
        limit=limit,
        seed=seed,
        skip_unreadable=skip_unreadable,
        strict=strict,
    )
    print(f"{len(told.cells)} cells in {out}: images and annotations.json of each")
