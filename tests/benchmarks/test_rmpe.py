"""The ablation's arms differ in what they say they differ in, and only in that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import CHECKOUT


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module("rmpe")
    for name in ("rmpe", "trainings"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["plain", "generator", "sstn", "sstn+parallel", "full"])
def test_an_arms_config(ablation: Any, name: str) -> None:
    arm = ablation.ARMS[name]
    config = ablation.config_of("rmpe-hrnet-mini", arm, None)
    steps = {step["type"]: step for step in config.train_dataloader.dataset.pipeline}
    assert config.model.type == ("SymmetricSTN" if arm.symmetric else "TopdownPoseEstimator")
    assert bool(config.model.get("parallel")) == arm.parallel
    assert ("localiser" in config.model) == arm.symmetric
    assert ("CentredTarget" in steps) == arm.parallel
    assert (steps["ProposalBox"].get("p", 1) > 0) == arm.generator
    assert ("RandomBBoxTransform" in steps) == (not arm.generator)
    grown = [s["padding"] for s in config.test_dataloader.dataset.pipeline if s["type"] == "GetBBoxCenterScale"]
    assert grown == [steps["GetBBoxCenterScale"]["padding"]] == [1.2]
