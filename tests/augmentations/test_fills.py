"""Cutouts under other fills: where their content comes from in training, and settings that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from occbench.attacks import WORLD_FILLS
from occbench.augmentations import TargetedCutout
from occbench.system.errors import OccbenchError
from occbench.training import Augmentation
from occbench.weights.recipes import recipe_of

from .golden import People, picture
from .samples import apply, sample


def given(person: int = 0) -> dict[str, Any]:
    people = People()
    info = people.get_data_info(person)
    labelled = info["keypoints_visible"][0] > 0
    return sample(info["keypoints"][0], labelled, picture("person"), dataset=people, id=person)


@pytest.mark.parametrize("fill", WORLD_FILLS)
@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_the_same_seed_gives_the_same_crop(level: str, fill: str) -> None:
    first, again = (apply(TargetedCutout(level, fill, p=1), given(), 3)["img"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != picture("person")).any()


def test_a_donor_is_never_the_person() -> None:
    for person in (0, 1):
        transform = TargetedCutout("part", "person", p=1)
        apply(transform, given(person), 1)
        assert transform.material is not None
        filled = transform.material._filled
        assert filled is not None
        donors = filled[1]
        drawn = {donors._draw(donors.labelled, frozenset({person}), np.random.default_rng(s)) for s in range(20)}
        assert {donors.ids[who[0]] for who in drawn if who is not None} == {1 - person}


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(OccbenchError, match="fill of TargetedCutout"):
        TargetedCutout("part", "blur")
    with pytest.raises(OccbenchError, match="for fill object"):
        TargetedCutout("part", "noise", "somewhere")
    with pytest.raises(OccbenchError, match="--aug-fill is for cutout-keypoint and cutout-part"):
        Augmentation.parse("partmix", fill="object")
    with pytest.raises(OccbenchError, match="--aug-fill"):
        Augmentation.parse("cutout-part", fill="blur")
    with pytest.raises(OccbenchError, match="--occluders is for --aug-fill object"):
        Augmentation.parse("cutout-part", fill="noise", occluders="somewhere")


def test_a_recipe_says_its_fill() -> None:
    made = Augmentation.parse("cutout-part", fill="object").transforms
    assert made == [{"type": "TargetedCutout", "level": "part", "p": 0.5, "fill": "object"}]
    import json

    found = recipe_of({"baseline": "none", "aug": json.dumps(made), "seed": 0})
    assert found is not None
    assert (found["name"], found["fill"]) == ("cutout-part", "object")
    plain = recipe_of({"baseline": "none", "aug": json.dumps(Augmentation.parse("cutout-part").transforms), "seed": 0})
    assert plain is not None
    assert "fill" not in plain
