"""How runs are called beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..system.errors import OccbenchError


def run_names(folders: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """A name for every run: those given, else the folders', with as many of the folders above as tell them apart.

    Args:
        folders: The runs.
        given: One name for each of them; empty for none.

    Raises:
        OccbenchError: Another number of names than of runs, or a name twice.
    """
    if given:
        if len(given) != len(folders):
            raise OccbenchError(
                f"--label gives {len(given)} names for {len(folders)} runs: give one for each, in order"
            )
        repeated = next((name for name in given if list(given).count(name) > 1), None)
        if repeated is not None:
            raise OccbenchError(
                f"--label gives the name {repeated!r} twice; runs of one recipe are put together by --group"
            )
        return list(given)
    parts = [folder.resolve().parts for folder in folders]
    depth = 1
    names = ["/".join(p[-depth:]) for p in parts]
    while len(set(names)) < len(set(parts)):
        depth += 1
        names = ["/".join(p[-depth:]) for p in parts]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]
