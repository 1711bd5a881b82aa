"""A checkpoint's meta data become the recipe of the manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from occbench.training import AUGMENTATIONS, BASELINES, Augmentation, Settings
from occbench.training.augment import augmentations_of
from occbench.weights.recipes import recipe_of


@pytest.mark.parametrize("name", [*AUGMENTATIONS, *BASELINES])
def test_every_augmentation_of_the_command_line_has_its_own_name(name: str) -> None:
    recipe = recipe_of(Settings(seed=5, augmentation=Augmentation((name,))).meta)
    assert recipe is not None
    assert (recipe["name"], recipe["seed"]) == (name, 5)
    applied = AUGMENTATIONS.get(name)
    assert recipe["p"] == (None if applied is None else applied["p"])
    expected = None if applied is None else applied.get("level", "part" if name == "partmix" else "keypoint")
    assert recipe["level"] == expected
    assert recipe["removal"] == (None if applied is None else False)


def test_what_several_share() -> None:
    both = recipe_of(Settings(augmentation=Augmentation(("cutout-part", "partmix"), 0.2, True, 6)).meta)
    assert both == {"name": "cutout-part,partmix", "level": "part", "removal": True, "p": 0.2, "decoys": 6, "seed": 0}
    mixed = recipe_of(Settings(augmentation=Augmentation(("no-half-body", "blur-part", "multi-keypoint"))).meta)
    assert mixed == {
        "name": "no-half-body,blur-part,multi-keypoint",
        "level": None,
        "removal": False,
        "p": None,
        "decoys": 0,
        "seed": 0,
    }


def test_an_augmentation_that_the_config_brought_counts() -> None:
    pipeline = [{"type": "TopdownAffine"}, {"type": "mmpose.TargetedCutout", "level": "part", "p": 0.2}]
    meta = {**Settings().meta, "aug": json.dumps(augmentations_of(pipeline))}
    recipe = recipe_of(meta)
    assert recipe is not None
    assert (recipe["name"], recipe["level"], recipe["p"]) == ("cutout-part", "part", 0.2)


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"epoch": 210, "mmpose_version": "1.3.2"},
        {"aug": "[]"},
        {"aug": "[]", "baseline": 3},
        {"aug": "[]", "baseline": "x" * 201},
        {"aug": "nonsense", "baseline": "none"},
        {"aug": "[" * 100_000, "baseline": "none"},
        {"aug": '{"type": "PartMix"}', "baseline": "none"},
        {"aug": '[{"type": "RandomFlip"}]', "baseline": "none"},
    ],
)
def test_other_checkpoints_have_none(meta: dict[str, Any]) -> None:
    assert recipe_of(meta) is None


def test_numbers_that_are_none_are_left_out() -> None:
    odd = [{"type": "PartMix", "p": float("nan"), "decoys": True, "removal": "yes"}]
    recipe = recipe_of({"aug": json.dumps(odd), "baseline": "partmix", "seed": 10**30})
    assert recipe == {"name": "partmix", "level": "part", "removal": False, "p": None, "decoys": None, "seed": None}
