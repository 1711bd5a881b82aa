"""The ablation's arms differ in what they say they differ in, and only in that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mmpose.registry import MODELS

from ..conftest import CHECKOUT


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module("rmpe")
    for name in ("rmpe", "trainings"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["plain", "generator", "sstn", "sstn+parallel", "full"])
@pytest.mark.parametrize("model", ["rmpe-hrnet-mini", "rmpe-simplebaseline-mini"])
def test_an_arms_config(ablation: Any, name: str, model: str) -> None:
    arm = ablation.ARMS[name]
    config = ablation.config_of(model, arm, None)
    assert MODELS.build(config.model).training
    steps = {step["type"]: step for step in config.train_dataloader.dataset.pipeline}
    assert config.model.type == ("SymmetricSTN" if arm.symmetric else "TopdownPoseEstimator")
    assert bool(config.model.get("parallel")) == arm.parallel
    assert ("localiser" in config.model) == arm.symmetric
    assert ("CentredTarget" in steps) == arm.parallel
    assert (steps["ProposalBox"].get("p", 1) > 0) == arm.generator
    assert ("RandomBBoxTransform" in steps) == (not arm.generator)
    grown = [s["padding"] for s in config.test_dataloader.dataset.pipeline if s["type"] == "GetBBoxCenterScale"]
    assert grown == [steps["GetBBoxCenterScale"]["padding"]] == [1.2]


def figures(ablation: Any, arm: str, value: float, draws: np.ndarray, changed: int = 0) -> Any:
    signatures = np.zeros((1, 50), dtype=np.uint64)
    signatures[0, :changed] = 1
    return ablation.Figures(arm, value, np.append(value, draws), signatures)


def test_an_arm_is_compared_with_full_by_seed_and_draw(ablation: Any) -> None:
    draws = np.random.default_rng(0).normal(50, 4, 400)
    own = [figures(ablation, f"plain-{seed}", 50 + seed, draws) for seed in range(2)]
    full = [figures(ablation, f"full-{seed}", 52 + seed, draws + 2, changed=40) for seed in range(2)]
    assert ablation.compared(own, full) == "50.5 (n = 2) (+2.0 [+2.0, +2.0])"  # the photos' spread cancels: paired
    assert ablation.compared(own, [None, full[1]]) == "50.5 (n = 2) (+2.0 [+2.0, +2.0])"
    assert ablation.compared([None, own[1]], [full[0], None]) == "51.0 (n = 1)"
    assert ablation.compared(full, full) == "52.5 (n = 2)"
    assert ablation.compared([None, None], full) == "-"


def test_a_mean_over_several_boxes_is_drawn_together(ablation: Any) -> None:
    draws = np.random.default_rng(0).normal(50, 4, 400)
    two = figures(ablation, "plain-0", 50, draws), figures(ablation, "plain-0", 60, 110 - draws, changed=7)
    mean = ablation._mean(two)
    assert (mean.arm, mean.shown) == ("plain-0", 55)
    np.testing.assert_allclose(mean.exact, 55)
    assert np.any(mean.signatures, axis=0).sum() == 7
    assert ablation._mean((two[0], None)) is None


def test_every_term_has_a_table_with_every_arm_and_part(ablation: Any) -> None:
    def split(arm: str, value: float) -> Any:
        def terms(value: float) -> Any:
            draws = np.random.default_rng(1).normal(value, 1, 100)
            return {term: figures(ablation, arm, value, draws, changed=30) for term in ablation.TERMS}

        return {"head": terms(value), "left_arm": terms(2 * value)}

    found = {name: [split(f"{name}-0", 10.0 + i)] for i, name in enumerate(ablation.ARMS)} | {"sstn": [None]}
    text = "\n".join(ablation.losses(found, list(ablation.ARMS), ["head", "left_arm"]))
    assert text.count("| arm | head | left_arm |") == 4
    assert text.count("| sstn | - | - |") == 4
    assert text.count("| full | 14.0 (n = 1) | 28.0 (n = 1) |") == 4
    plain = [line.split(" | ") for line in text.splitlines() if line.startswith("| plain")]
    assert [(head[:21], arm[:21]) for _, head, arm in plain] == [("10.0 (n = 1) (+4.0 [+", "20.0 (n = 1) (+8.0 [+")] * 4
