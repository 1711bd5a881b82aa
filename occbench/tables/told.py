"""What of a table can be told from chance: p adjusted over a family of tests, and the verdict of interval and p."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..evaluation.intervals import distinguishable, holm_by_family
from .table import Column, number

P_BOUND = "1e-06, and 2 / 2^photos of few, stand for anything smaller"
"""What is said of a p that is as small as it can be."""


def verdict(name: str, family: str, prefix: str = "") -> dict[str, Column]:
    """The columns of p, of p adjusted, and of the verdict.

    Args:
        name: The column that they are about.
        family: The tests that are adjusted together.
        prefix: Before ``p``, ``p_adjusted`` and ``clear``.
    """
    return {
        f"{prefix}p": number(f"two-sided p for no `{name}`; {P_BOUND}"),
        f"{prefix}p_adjusted": number(f"`{prefix}p`, adjusted (Holm) over {family}"),
        f"{prefix}clear": number(
            f"1: `{name}` can be told from 0: its interval leaves 0 out and `{prefix}p_adjusted` is below 0.05; 0: not"
        ),
    }


def told(table: pd.DataFrame, families: pd.Series, name: str, prefix: str = "") -> pd.DataFrame:
    """A table with ``p_adjusted`` and ``clear`` made from the interval and ``p`` of a column.

    Args:
        table: With the columns of :func:`verdict` and of the interval.
        families: Of the rows, text.
        name: The column that they are about.
        prefix: As of :func:`verdict`.
    """
    low, high, p = (table[column].to_numpy(dtype=np.float64) for column in (f"{name}_lo", f"{name}_hi", f"{prefix}p"))
    adjusted = holm_by_family(p, families.fillna("").to_numpy(dtype=str))
    clear = np.where(np.isfinite(p), distinguishable(low, high, adjusted), np.nan)
    return table.assign(**{f"{prefix}p_adjusted": adjusted, f"{prefix}clear": clear})


def told_all(table: pd.DataFrame, families: pd.Series, names: Mapping[str, str]) -> pd.DataFrame:
    """The same of several columns; ``names``: each with its prefix."""
    for name, prefix in names.items():
        table = told(table, families, name, prefix)
    return table
