"""``occbench sample``: write synthetic photos of people as a COCO data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet or is empty.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of photos.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Photo i depends on the seed and i alone.")] = 7,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render.")] = 1,
) -> None:
    """Write synthetic photos of people with exact COCO keypoints: OUT/annotations.json and OUT/images.

    The defaults write the embedded sample. Example: `occbench sample people --n 1000 --seed 1 --workers 4`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ..data.synthetic import generate

    console = Console(stderr=True)
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("photos", total=n)
        annotations = generate(n, seed, out, lambda done: bar.update(task, completed=done), workers=workers)
    print(annotations)
