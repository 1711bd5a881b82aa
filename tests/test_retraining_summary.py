"""The retraining experiment's figures: changes are paired by seed and by photo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.evaluation.replicates import over_replicates

QUANTITY = ("mean_drop", "part", "blur", "")


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import retraining_summary

    yield retraining_summary
    sys.modules.pop("retraining_summary")


def test_changes_are_paired(summary: Any) -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=(2, 51))  # what photos and seeds do to every recipe alike
    models = {("none", seed): {QUANTITY: shared[seed]} for seed in (0, 1)}
    models |= {("partmix", seed): {QUANTITY: shared[seed] - 2 - seed} for seed in (0, 1)}
    models["partmix", 2] = {QUANTITY: np.full(51, 99.0)}  # its baseline is not finished
    table = summary.summary_rows(models, ["none", "partmix"], 30).set_index("recipe")
    assert table.loc["partmix", ["seeds", "change", "se_photos", "se_seeds"]].tolist() == pytest.approx(
        [3, -2.5, 0, 0.5], abs=1e-9
    )
    assert table.loc["none", ["change", "change_lo"]].isna().all()
    own = over_replicates(shared[:, 0], shared[:, 1:].T, 30)
    assert table.loc["none", ["value", "lo", "hi"]].tolist() == pytest.approx([own.value, own.lo, own.hi])


def test_what_is_not_there_yet_is_named(summary: Any, tmp_path: Path) -> None:
    runs = {"none": ("suite", "controls"), "partmix": ("suite",)}
    plan = summary.Plan(tmp_path, runs, (0,), ("nose",), ("blur",), ("centred", "decoys:6", "placebo"))
    assert "Not finished yet: none-0, partmix-0." in summary.write_summary(plan).read_text()
    assert (tmp_path / "summary.csv").read_text().startswith("quantity,level,fill,placement,recipe,seeds,value,lo,hi,")
