"""How things and numbers are called: the same names, the same order and the same number format everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable

FILLS = ("blackout", "meanout", "blur", "noise", "inpaint", "person", "object")
"""Every figure and table shows the fills in this order."""

DASH = "–"
MINUS = "−"

_SIDES = {"left_": "L ", "right_": "R "}
_VERBS = {
    "blackout": "Blacking out {}",
    "meanout": "Painting {} over in the mean colour",
    "blur": "Blurring {}",
    "noise": "Painting {} with noise",
    "inpaint": "Painting {} over from around it",
    "person": "Covering {} with another person's",
    "object": "Covering {} with an object",
}


def order_fills(fills: Iterable[str]) -> list[str]:
    """The fills in the order used everywhere: the known ones first, others by name."""
    return sorted(set(fills), key=lambda f: (FILLS.index(f) if f in FILLS else len(FILLS), f))


def short_name(name: str) -> str:
    """A target's or keypoint's name for an axis: ``left_ankle`` becomes ``L ankle``."""
    for prefix, short in _SIDES.items():
        if name.startswith(prefix):
            return short + name[len(prefix) :].replace("_", " ")
    return name.replace("_", " ")


def spoken(name: str) -> str:
    """A target in a sentence: ``left_ankle`` becomes ``the left ankle``."""
    return "the " + name.replace("_", " ")


def hiding(fill: str, target: str) -> str:
    """``Blacking out the left ankle``."""
    return _VERBS.get(fill, f"Hiding {{}} ({fill.replace('{', '').replace('}', '')})").format(spoken(target))


def plural(level: str) -> str:
    """``keypoints``, ``parts``."""
    return f"{level}s"


def number(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals and a true minus; an en dash for NaN."""
    if math.isnan(value):
        return DASH
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", MINUS)


def points(value: float, low: float, high: float) -> str:
    """A figure in a sentence, with its interval where it has one: ``2.7 points [2.1, 3.4]``."""
    ends = brackets(low, high)
    return f"{number(value, 1)} points{' ' + ends if ends else ''}"


def brackets(low: float, high: float, digits: int = 1) -> str:
    """An interval in a table: ``[2.1, 3.4]``; empty where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def counted(n: int, noun: str) -> str:
    """``1 keypoint``, ``3 keypoints``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
