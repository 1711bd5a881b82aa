"""Runs of one recipe that differ by the seed of their training."""

from __future__ import annotations

from typing import Any

import pytest

from occbench.jobs.recipes import group_runs
from occbench.system.errors import OccbenchError


def run(recipe_name: str | None, seed: int | None = None, boxes: str = "gt", **model: Any) -> dict[str, Any]:
    recipe = (
        None if recipe_name is None else {"name": recipe_name, "p": 0.5, "removal": False, "decoys": 0, "seed": seed}
    )
    about = {
        "name": "tiny",
        "config_sha256": "c",
        "weights_sha256": f"{recipe_name}{seed}",
        "augmentation": recipe,
        **model,
    }
    return {"model": about, "boxes": {"source": boxes, "sha256": None}, "choices": {"boxes": boxes}}


def grouped(*runs: dict[str, Any], **given: list[int]) -> list[tuple[str, tuple[int, ...]]]:
    names = [f"run{i}" for i in range(len(runs))]
    return [(group.name, group.runs) for group in group_runs(runs, names, given or None)]


def test_seeds_of_a_recipe_go_together() -> None:
    found = grouped(run("none", 0), run("partmix", 0), run("none", 1), run("partmix", 1), run("blur-part", 0))
    assert found == [("none", (0, 2)), ("partmix", (1, 3)), ("run4", (4,))]


def test_what_else_differs_keeps_runs_apart() -> None:
    for other in (run("none", 1, flip=False), run("none", 1, config_sha256="d"), run("none", 1, boxes="jitter:0.1")):
        assert [places for _, places in grouped(run("none", 0), other)] == [(0,), (1,)]
    removal = run("none", 1)
    removal["model"]["augmentation"]["removal"] = True
    assert [places for _, places in grouped(run("none", 0), removal)] == [(0,), (1,)]


def test_weights_that_say_nothing_stand_alone_unless_named_together() -> None:
    assert grouped(run(None), run(None), run("none")) == [("run0", (0,)), ("run1", (1,)), ("run2", (2,))]
    assert grouped(run(None), run(None), run("none", 0), mine=[0, 1]) == [("mine", (0, 1)), ("run2", (2,))]


def test_the_same_seed_twice_is_no_second_seed() -> None:
    assert [places for _, places in grouped(run("none", 0), run("none", 0), run("none", 1))] == [(0, 2), (1,)]


def test_recipes_of_one_name_are_told_apart() -> None:
    runs = [run("none", seed, name=name) for name in ("tiny", "big") for seed in (0, 1)]
    assert [name for name, _ in grouped(*runs)] == ["none, tiny, gt", "none, big, gt"]


def test_a_run_belongs_to_one_group() -> None:
    with pytest.raises(OccbenchError, match="names 'run1' twice"):
        grouped(run(None), run(None), a=[0, 1], b=[1])


def test_a_named_group_over_two_boxes_is_two() -> None:
    found = grouped(run(None), run(None, boxes="jitter"), run(None), mine=[0, 1, 2])
    assert [places for _, places in found] == [(0, 2), (1,)]
    assert len({name for name, _ in found}) == 2
