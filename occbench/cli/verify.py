"""``occbench verify``: is a run still what was measured?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder of `occbench attack`.")],
    data: Annotated[Path | None, typer.Option("--data", help="The annotation file, where it has moved since.")] = None,
    images: Annotated[Path | None, typer.Option("--images", help="The image folder, likewise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is wrong as JSON.")] = False,
) -> None:
    """Check the hash of every file of a run, and compute its figures from its predictions again.

    Exit code 3 where something is not as it was written.

    Example:

    occbench verify runs/demo
    """
    from ..jobs.verify import verify as check
    from ..runs.manifest import read_manifest
    from ..system.progress import Progress

    cells = len(read_manifest(run).get("cells", []))
    with Progress().stage("scoring", cells) as advance:
        wrong = check(run, data, images, lambda done, of: advance(1))
    if as_json:
        print(json.dumps({"run": str(run), "intact": not wrong, "wrong": wrong}, indent=2))
    elif wrong:
        print("\n".join([f"{run} is not as it was written:", *(f"  {line}" for line in wrong)]))
    else:
        print(f"{run} is intact: every file has its hash, and the predictions of {cells} cells give cells.csv")
    if wrong:
        raise typer.Exit(3)
