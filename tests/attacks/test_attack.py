"""Attacks by name: unique, safe as file names, parsed and expanded; suites and their errors."""

from __future__ import annotations

import math
import re

import pytest

from occbench.attacks import COCO, GROUPS, KINDS, LEVELS, THESIS_FILLS, Attack, Placement, expand_kinds, make_suite

RADII = [6, 9, 12, 15, 18, 6.5, 0.5, 0.1 + 0.2, 0.3, 6.0000001, 6.0000002, 1e-7, 1e6, 1234567.5, 1e22]
PLACEMENTS = ["centred", "jittered", "placebo", *(f"decoys:{n}" for n in (1, 6, 10, 61, 100))]


def test_names_and_slugs_of_a_big_suite_are_unique_and_safe_as_file_names() -> None:
    suite = make_suite(COCO, ["all"], radii=RADII, placements=[Placement.parse(p) for p in PLACEMENTS])
    assert len(suite) == 3 * (17 + 11) * len(RADII) * len(PLACEMENTS)
    assert len({a.name for a in suite}) == len(suite)
    assert len({a.slug.lower() for a in suite}) == len(suite)
    assert all(re.fullmatch(r"[a-z0-9._-]{1,100}", a.slug) for a in suite)
    assert len(set(suite)) == len(suite)


@pytest.mark.parametrize(
    ("attack", "name", "slug"),
    [
        (Attack("part", "blackout", "left_arm"), "part-blackout:left_arm", "part-blackout_left_arm"),
        (Attack("keypoint", "blur", "nose", 9), "keypoint-blur:nose@9", "keypoint-blur_nose_r9"),
        (
            Attack("keypoint", "meanout", "nose", 7.5, Placement("decoys", 6)),
            "keypoint-meanout:nose@7.5+decoys:6",
            "keypoint-meanout_nose_r7.5_decoys_6",
        ),
        (Attack("part", "blur", "hip", 6, Placement("placebo")), "part-blur:hip+placebo", "part-blur_hip_placebo"),
    ],
)
def test_names(attack: Attack, name: str, slug: str) -> None:
    assert (attack.name, attack.slug) == (name, slug)


def test_an_attack_is_a_value() -> None:
    assert Attack("part", "blur", "hip") == Attack("part", "blur", "hip", 6.0, Placement())
    assert len({Attack("part", "blur", "hip"), Attack("part", "blur", "hip", 6)}) == 1


@pytest.mark.parametrize(("level", "fill"), [("joint", "blur"), ("part", "white"), ("", "")])
def test_an_unknown_level_or_fill_is_an_error(level: str, fill: str) -> None:
    with pytest.raises(ValueError, match=f"keypoint-blackout.*{level}-{fill}"):
        Attack(level, fill, "nose")


@pytest.mark.parametrize("radius", [0, -1, math.nan, math.inf])
def test_a_radius_that_is_none_is_an_error(radius: float) -> None:
    with pytest.raises(ValueError, match="radius must be a positive number"):
        Attack("keypoint", "blur", "nose", radius)


@pytest.mark.parametrize("text", PLACEMENTS)
def test_placement_round_trip(text: str) -> None:
    placement = Placement.parse(text)
    assert str(placement) == text
    assert Placement.parse(str(placement)) == placement


@pytest.mark.parametrize(
    "text",
    [
        *("", "center", "Centred", "centred:1", "jittered:", "placebo:2", "decoys", "decoys:"),
        *("decoys:0", "decoys:101", "decoys:-1", "decoys:2.5", "decoys:six", "decoys: 6", "decoys:6:6", " decoys:6"),
    ],
)
def test_what_is_no_placement_is_an_error_that_repeats_it(text: str) -> None:
    with pytest.raises(ValueError, match=f"unknown placement {text!r}; it is centred, .*decoys:N"):
        Placement.parse(text)


@pytest.mark.parametrize(("kind", "decoys"), [("decoys", 0), ("decoys", 101), ("centred", 2), ("elsewhere", 0)])
def test_a_placement_that_does_not_exist_cannot_be_made(kind: str, decoys: int) -> None:
    with pytest.raises(ValueError, match="unknown placement"):
        Placement(kind, decoys)


def test_groups_stand_for_their_kinds() -> None:
    assert expand_kinds(["all"]) == list(KINDS[:6])
    assert expand_kinds(["all", "keypoint-world", "part-world"]) == list(KINDS)
    assert expand_kinds(["part-world"]) == ["part-noise", "part-inpaint", "part-person", "part-object"]
    assert expand_kinds(["keypoint-all"]) == [f"keypoint-{fill}" for fill in THESIS_FILLS]
    both = [f"{level}-{fill}" for level in reversed(LEVELS) for fill in THESIS_FILLS]
    assert expand_kinds(["part-all", "keypoint-all"]) == both
    assert expand_kinds(["part-blur", "all", "part-blur"])[0] == "part-blur"
    assert sorted(expand_kinds(["part-blur", "all"])) == sorted(KINDS[:6])
    assert expand_kinds([]) == []
    assert expand_kinds(["what"]) == ["what"]
    assert set(GROUPS) == {"all", "keypoint-all", "part-all", "keypoint-world", "part-world"}


def test_a_suite_is_every_cell_in_a_fixed_order() -> None:
    suite = make_suite(COCO, ["part-blur", "keypoint-blur"], radii=(9, 6), placements=[Placement.parse("placebo")])
    assert [a.name for a in suite[:3]] == [
        "part-blur:head@9+placebo",
        "part-blur:head+placebo",
        "part-blur:left_arm@9+placebo",
    ]
    assert len(suite) == 2 * (11 + 17)
    assert [a.target for a in suite[22::2]] == list(COCO.keypoints)


def test_targets_restrict_a_suite_to_the_level_that_has_them() -> None:
    suite = make_suite(COCO, ["all"], targets=["nose", "hip"])
    assert {(a.level, a.target) for a in suite} == {("keypoint", "nose"), ("part", "hip")}
    assert len(suite) == 2 * len(THESIS_FILLS)


def test_nothing_is_in_a_suite_twice() -> None:
    suite = make_suite(COCO, ["all", "part-blur"], ["hip", "hip"], [6, 6.0], [Placement(), Placement.parse("centred")])
    assert len(suite) == len(THESIS_FILLS)


@pytest.mark.parametrize(
    ("kinds", "target"), [(["part-all"], "nose"), (["keypoint-blur"], "head"), (["all"], "left_toe")]
)
def test_a_target_that_no_kind_can_attack_is_an_error(kinds: list[str], target: str) -> None:
    with pytest.raises(ValueError, match=f"target '{target}' cannot be attacked by {kinds[0]}"):
        make_suite(COCO, kinds, [target])


@pytest.mark.parametrize("targets", [[], ["nose"], ["hip"]])
@pytest.mark.parametrize("kind", ["part-blurr", "keypoint", "everything", ""])
def test_an_unknown_kind_is_an_error_whatever_the_targets(kind: str, targets: list[str]) -> None:
    with pytest.raises(ValueError, match=f"unknown kind '{kind}'"):
        make_suite(COCO, ["all", kind], targets)
