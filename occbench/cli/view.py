"""``occbench view``: look at runs on a machine without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    folder: Annotated[Path, typer.Argument(help="A run, a report, or a folder of them.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8137,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a folder, read-only, to this machine alone, until Ctrl-C.

    From another machine, through a tunnel: `ssh -L 8137:localhost:8137 HOST`, then http://localhost:8137 there.

    Example: `occbench view runs`.
    """
    from ..reports.page.serve import make_server

    with make_server(folder, port) as server:
        address = f"http://localhost:{server.server_address[1]}/"
        print(f"{folder} at {address} (Ctrl-C ends)", flush=True)
        if show:
            import webbrowser

            webbrowser.open(address)
        server.serve_forever()
