"""The experiment with coarse-to-fine heatmaps: its configs, and what it compares."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.estimators.config import read_config

from ..conftest import CHECKOUT


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module("coarse_to_fine")
    for name in ("coarse_to_fine", "retraining_figures", "trainings"):
        sys.modules.pop(name, None)


def test_configs_of_the_variants(benchmark: Any, tmp_path: Path) -> None:
    for suffix, joints in ((".json", 17), (".mat", 14)):
        options = argparse.Namespace(out=tmp_path / suffix, train=Path(f"people{suffix}"))
        options.out.mkdir()
        configs = {name: read_config(benchmark.config_of(options, name)) for name in benchmark.VARIANTS}
        assert {c.model.head.num_joints for c in configs.values()} == {joints}
        described = {c.test_dataloader.dataset.get("metainfo", {}).get("from_file") for c in configs.values()}
        assert all((path is None) == (suffix == ".json") for path in described)
        assert all(path is None or Path(path).is_file() for path in described)
        assert [c.model.head.coarse.dropout for c in configs.values()] == [0.2, 0.2, 0.0, 0.2, 0.2]
        assert configs["coarse-4x"].model.backbone.pooling == configs["coarse-4x"].model.head.pooling == 4
        for name, config in configs.items():  # coarse networks learn as long in all variants, and so do fine ones
            phases, share = config.model.train_cfg.phases, benchmark.VARIANTS[name][1]
            whole = sum(phases.values())
            learnt = {
                part: share * sum(phases.get(phase, 0) for phase in (part, "joint")) / whole
                for part in ("coarse", "fine")
            }
            assert learnt["coarse"] == pytest.approx(0.8)
            assert learnt["fine"] == pytest.approx(0 if config.model.head.fine is None else 0.5)


def test_variants_are_compared_by_their_answers(benchmark: Any) -> None:
    flat = np.ones(21)
    models = {("joint", seed): {("coarse", "m"): 9 * flat, ("fine", "m"): (4 + seed) * flat} for seed in (0, 1)}
    standard = {("coarse", "m"): 9 * flat, ("fine", "m"): 5 * flat}
    models |= {("coarse", 0): {("coarse", "m"): 8 * flat}, ("standard", 0): standard}
    rows = {(r["model"], r["stage"]): r for r in benchmark.rows_of(models, 30)}
    assert rows["joint", "fine"]["value"] == 4.5
    assert rows["joint", "fine - coarse"]["value"] == -4.5
    assert rows["joint - coarse", "answer"]["value"] == -4
    assert rows["joint - standard", "answer"]["value"] == -1
    assert rows["joint - standard", "answer"]["seeds"] == 1
    assert ("joint - no-dropout", "answer") not in rows
