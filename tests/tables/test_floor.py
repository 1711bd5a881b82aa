"""When a run says that there is nothing left to lose."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from occbench.tables.floor import nothing_to_lose

NAN = math.nan


def cells(value: float, low: float, drops: list[tuple[float, float]]) -> pd.DataFrame:
    clean = {"level": "clean", "keypoint": "all", "metric": "AP", "value": value, "value_lo": low, "ap": value}
    rows = [clean | {"ap_lo": low}, clean | {"keypoint": "nose", "value": 0.0, "ap_lo": 0.0}]
    for lo, hi in drops:
        rows.append({"level": "part", "keypoint": "all", "metric": "AP", "value": 0.1, "drop_lo": lo, "drop_hi": hi})
    return pd.DataFrame(rows, columns=[*clean, "ap_lo", "drop_lo", "drop_hi"])


@pytest.mark.parametrize(
    ("value", "low", "drops", "said"),
    [
        (0.0, 0.0, [(0.0, 0.0)], "is as good as nothing"),
        (0.0, NAN, [(NAN, NAN)], "is as good as nothing"),
        (0.0, NAN, [], "is as good as nothing"),
        (0.12, 0.05, [(-1, 1)], "is hardly above nothing"),
        (0.12, 0.06, [(-7, 7), (-6.5, 6.5), (-1, 1)], "too low beside the 6.5 points"),
        (0.12, 0.06, [(-7, 7), (-5.5, 5.5), (-1, 1)], None),
        (0.12, NAN, [(NAN, NAN)], None),
        (0.75, 0.7, [(-2, 2)], None),
        (NAN, NAN, [], None),
    ],
)
def test_nothing_to_lose(value: float, low: float, drops: list[tuple[float, float]], said: str | None) -> None:
    found = nothing_to_lose(cells(value, low, drops))
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found
        assert "weights of another model" in found
        assert "boxes" in found


def test_rows_of_an_old_run_have_ap_alone() -> None:
    table = cells(0.0, 0.0, [(0.0, 0.0)])
    table[["value", "value_lo"]] = NAN
    assert nothing_to_lose(table) is not None
    assert nothing_to_lose(table[table["level"] != "clean"]) is None
