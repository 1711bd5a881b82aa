"""``occbench fetch``: bring data sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            help="coco-val2017, coco-train2017, coco-val2017-detections, mpii, lsp, lspet, flic, ochuman, crowdpose"
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="Data folder; by default $OCCBENCH_DATA, else ./data.")
    ] = None,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Leave the archives in DATA/.fetch.")] = False,
    mirror: Annotated[str, typer.Option("--mirror", envvar="OCCBENCH_MIRROR", hidden=True)] = "",
) -> None:
    """Fetch data sets from where their authors publish them, and lay them out as MMPose does.

    What is interrupted goes on where it was. What asks for a form or a browser is not fetched: the answer says where it
    is to be had and where it belongs. `occbench ls datasets` says what is complete.

    Example: `occbench fetch coco-val2017 lsp`.
    """
    from ..data.fetch import fetch as bring
    from ..data.fetchable import find
    from ..system.paths import data_dir

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    for wanted in [find(name) for name in dict.fromkeys(names)]:
        bring(wanted, to or data_dir(), mirror=mirror, keep_archives=keep_archives, say=say)
