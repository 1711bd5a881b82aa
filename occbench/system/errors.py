"""The one error a user is meant to see: one clear line that says how to mend what failed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OccbenchError(Exception):
    """Something in the input or the surroundings is wrong. The command line prints it and exits with 2."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> OccbenchError:
    """An error for a name that does not exist, with the nearest known ones.

    Args:
        kind: What the name should have been, e.g. ``"target"``.
        name: What was given.
        known: Every valid name.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(near) + "?"
    elif len(names) <= 30:
        hint = "known: " + ", ".join(names)
    else:
        hint = f"`occbench ls {kind}s` lists the {len(names)} known ones"
    return OccbenchError(f"unknown {kind} {name!r}; {hint}")


def quoted(value: object, length: int = 160) -> str:
    """A value of somebody's file as a message shows it: escaped, on one line, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."
