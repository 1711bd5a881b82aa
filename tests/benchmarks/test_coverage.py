"""The study of coverage: what it calls the rule is the rule, and its lot is fair."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from occbench.evaluation.bootstrap import compare

from ..conftest import CHECKOUT


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Both programs."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    return importlib.import_module("coverage_drops"), importlib.import_module("coverage_rules")


def test_the_candidates_hold_the_intervals_of_the_tool(studies: tuple[ModuleType, ModuleType]) -> None:
    coverage, candidates = studies
    rng = np.random.default_rng(5)
    cells = coverage.resampled(coverage.drawn_by_lot(30, rng), 100, rng)
    by_key = candidates.intervals(cells)
    for rule, method in (
        ("percentile, expanded", "percentile"),
        ("t, Johnson's shift outwards alone", "student"),
    ):
        found = compare(*cells, method=method)
        for key in candidates.KEYS:
            assert by_key[key][rule] == pytest.approx((found[key].drop_lo, found[key].drop_hi))


def test_cells_drawn_by_lot_are_made_of_both(studies: tuple[ModuleType, ModuleType]) -> None:
    """The same lot from the other cell's side gives the same two cells; no image swapped is the cell itself."""
    coverage, _ = studies
    rng = np.random.default_rng(6)
    truth = coverage.population(rng, 40)
    clean, attacked = (coverage.matched(truth, d) for d in coverage.predictions(rng, truth, coverage.SCENARIOS[0]))
    swapped = rng.random(40) < 0.5
    ones = [coverage.figures(coverage.mixed(clean, attacked, where)) for where in (swapped, ~swapped)]
    others = [coverage.figures(coverage.mixed(attacked, clean, where)) for where in (~swapped, swapped)]
    assert [one[None].exact for one in ones] == pytest.approx([other[None].exact for other in others])
    whole = coverage.figures(coverage.mixed(clean, attacked, np.zeros(40, dtype=bool)))
    assert whole[None].exact == pytest.approx(coverage.figures(clean)[None].exact)
