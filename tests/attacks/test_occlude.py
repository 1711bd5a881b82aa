"""A person and an attack: who is not attacked stays as he was, and nobody is touched outside the regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occbench.attacks import COCO, KINDS, PROTOCOLS, THESIS_FILLS, Attack, Occluders, Placement, make_suite, occlude

from . import oracle
from .people import EVERYTHING, SIZE, STANDING, attack, full, noise, person, placed

PLACEMENTS = ["centred", "jittered", "decoys:3", "placebo"]
ALL = [
    (level, target, placement)
    for level in ("keypoint", "part")
    for target in COCO.targets(level)
    for placement in PLACEMENTS
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_too_few_labels_are_no_attack_and_leave_the_very_bytes(level: str, protocol: str) -> None:
    crop = noise(np.random.default_rng(0))
    before = crop.tobytes()
    for given_attack in make_suite(COCO, [f"{level}-all"], placements=[Placement.parse(p) for p in PLACEMENTS]):
        members = COCO.indices(level, given_attack.target)
        for still_labelled in [[]] if level == "keypoint" else [[], members[:1], members[-1:]]:
            labelled = EVERYTHING.copy()
            labelled[members] = False
            labelled[still_labelled] = True
            occluders = placed(given_attack, STANDING, labelled, protocol=protocol)
            assert occluders == Occluders((), 0)
            assert occlude(crop, occluders, given_attack, protocol) is crop
    assert crop.tobytes() == before


@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_just_enough_labels_are_an_attack(level: str) -> None:
    for target in COCO.targets(level):
        members = COCO.indices(level, target)
        labelled = np.isin(np.arange(17), members[:2])
        assert len(placed(attack(level, target), STANDING, labelled).regions) == 1


def test_what_is_not_labelled_does_not_count_wherever_it_is() -> None:
    """COCO writes 0, 0 for a keypoint without label; the affine carries that anywhere."""
    labelled = EVERYTHING.copy()
    labelled[[9, 16]] = False
    for other in [(0.0, 0.0), (-1e6, 1e6), (np.nan, np.nan)]:
        moved = STANDING.copy()
        moved[[9, 16]] = other
        for level, target, placement in ALL:
            for protocol in PROTOCOLS:
                expected = placed(attack(level, target, placement), STANDING, labelled, protocol=protocol)
                found = placed(attack(level, target, placement), moved, labelled, protocol=protocol)
                assert len(found.regions) == len(expected.regions)
                assert all((a == b).all() for a, b in zip(full(found), full(expected), strict=True))


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(
    kind=st.sampled_from(KINDS[:6]),
    seed=st.integers(0, 2**32),
    target=st.integers(0, 16),
    placement=st.sampled_from(PLACEMENTS),
    radius=st.floats(0.25, 20),
    protocol=st.sampled_from(PROTOCOLS),
    shift=st.tuples(st.floats(-40, 40), st.floats(-60, 60)),
)
def test_pixels_outside_the_regions_never_change(
    kind: str,
    seed: int,
    target: int,
    placement: str,
    radius: float,
    protocol: str,
    shift: tuple[float, float],
) -> None:
    size = (64, 48)
    rng = np.random.default_rng(seed)
    level, _, fill = kind.partition("-")
    names = COCO.targets(level)
    given_attack = Attack(level, fill, names[target % len(names)], radius, Placement.parse(placement))
    points, labelled = person(rng, size)
    crop = noise(rng, size)
    before = crop.copy()
    occluders = placed(given_attack, points + shift, labelled, size, protocol, seed)
    attacked = occlude(crop, occluders, given_attack, protocol)
    inside = np.zeros(size, dtype=bool)
    for mask in full(occluders, size):
        assert mask.any()
        inside |= mask
    np.testing.assert_array_equal(crop, before)
    np.testing.assert_array_equal(attacked[~inside], before[~inside])
    assert (attacked.shape, attacked.dtype) == (crop.shape, crop.dtype)
    if fill == "blackout":
        assert (attacked[inside] == 0).all()
    if fill == "meanout":
        assert len(np.unique(attacked[inside], axis=0)) <= 1


def test_cover_is_every_point_whose_pixel_is_painted() -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(-20, 280, (400, 2))
    occluders = placed(attack("part", "left_arm", "decoys:2"), STANDING)
    union = np.logical_or.reduce(full(occluders))
    for (x, y), covered in zip(points.tolist(), occluders.cover(points).tolist(), strict=True):
        in_crop = 0 <= round(x) < SIZE[1] and 0 <= round(y) < SIZE[0]
        assert covered == (in_crop and bool(union[round(y), round(x)]))
    assert not Occluders().cover(points).any()


def test_a_centred_attack_covers_what_it_hides() -> None:
    for level in ("keypoint", "part"):
        for target in COCO.targets(level):
            members = COCO.indices(level, target)
            assert placed(attack(level, target), STANDING).cover(STANDING[members]).all()


def test_thesis_leaves_the_legs_of_a_standing_person_alone() -> None:
    crop = noise(np.random.default_rng(0))
    for target, (_, y) in zip(COCO.keypoints, STANDING.tolist(), strict=True):
        for fill in THESIS_FILLS:
            given_attack = attack("keypoint", target, fill=fill)
            attacked = occlude(crop, placed(given_attack, STANDING, protocol="thesis"), given_attack, "thesis")
            assert (attacked is crop) == (y >= SIZE[1])


def test_a_target_outside_the_crop_hides_what_reaches_into_it() -> None:
    points = STANDING.copy()
    points[9] = (195.5, 140)
    (mask,) = full(placed(attack("keypoint", "left_wrist"), points))
    np.testing.assert_array_equal(mask, oracle.disc((195.5, 140), 6, SIZE))
    points[9] = (199, 140)
    assert placed(attack("keypoint", "left_wrist"), points) == Occluders()
