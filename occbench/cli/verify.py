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
    """Check the hash of every file of a run, and compute its tables from its predictions again.

    Exit code 3 where something is not as it was written.

    Example:

    occbench verify runs/demo
    """
    from ..jobs.verify import verify as check
    from ..runs.manifest import read_manifest
    from ..system.progress import Progress

    cells = len(read_manifest(run).get("cells", []))
    with Progress().stage("scoring", cells) as advance:
        verdict = check(run, data, images, advance)
    if as_json:
        told = {"run": str(run), "intact": not verdict.wrong, "wrong": verdict.wrong}
        print(json.dumps({**told, "tables": verdict.tables, "absent": verdict.absent}, indent=2))
    elif verdict.wrong:
        print("\n".join([f"{run} is not as it was written:", *(f"  {line}" for line in verdict.wrong)]))
    else:
        tables = ", ".join(verdict.tables)
        print(f"{run} is intact: every file has its hash, and the predictions of {cells} cells give {tables}")
        if verdict.absent:
            print(f"the run is older than {', '.join(verdict.absent)}; its command, given again, writes them")
    if verdict.wrong:
        raise typer.Exit(3)
