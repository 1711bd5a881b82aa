"""Discs and rectangles beside loops over every pixel, by both rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occbench.attacks import COCO
from occbench.attacks.regions import Region, disc, disc_thesis, part_box, part_box_thesis, rectangle

from . import oracle
from .people import EVERYTHING, SIZE, STANDING, attack, full, person, placed

SMALL = (24, 18)
LIMBS = [f"{side}_{limb}" for side in ("left", "right") for limb in ("arm", "leg")]
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
# Sixteenths of a px: every sum and square of them is exact, so that no comparison hangs on rounding.
coordinate = st.integers(-16 * 10, 16 * 34).map(lambda i: i / 16)


def mask_of(region: Region | None, size: tuple[int, int] = SMALL) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    if region is not None:
        mask[region.window] = region.mask
        assert region.mask.any(), "a region without a pixel must be None"
    return mask


@quick
@given(x=coordinate, y=coordinate, radius=st.integers(1, 16 * 20).map(lambda i: i / 16))
def test_disc_is_the_inequality_at_every_pixel(x: float, y: float, radius: float) -> None:
    np.testing.assert_array_equal(mask_of(disc((x, y), radius, SMALL)), oracle.disc((x, y), radius, SMALL))
    np.testing.assert_array_equal(
        mask_of(disc_thesis((x, y), radius, SMALL)), oracle.disc_thesis((x, y), radius, SMALL)
    )


def test_disc_at_any_float_centre() -> None:
    for x, y, r in np.random.default_rng(0).uniform([-8, -8, 0.1], [26, 32, 19], (60, 3)).tolist():
        np.testing.assert_array_equal(mask_of(disc((x, y), r, SMALL)), oracle.disc((x, y), r, SMALL))


def test_disc_of_the_default_size_covers_the_13_by_13_gaussian_from_edge_to_edge() -> None:
    region = disc((96, 128), 6, SIZE)
    assert region is not None
    assert (region.top, region.left, region.mask.shape, int(region.mask.sum())) == (122, 90, (13, 13), 113)


@pytest.mark.parametrize("centre", [(float("nan"), 3.0), (3.0, float("inf")), (-7.0, 3.0), (3.0, 1e12), (0.5, -6.5)])
def test_disc_that_holds_no_pixel_is_no_region(centre: tuple[float, float]) -> None:
    assert disc(centre, 6, SMALL) is None
    assert disc_thesis(centre, 6, SMALL) is None


def test_thesis_swaps_the_axes_so_that_nothing_low_in_a_crop_is_occluded() -> None:
    height, width = SIZE
    assert disc_thesis((96, width - 1), 6, SIZE) is not None
    assert disc_thesis((96, width), 6, SIZE) is None
    assert disc((96, width), 6, SIZE) is not None
    # To the right of the crop but short of its height: the thesis paints what reaches into the crop.
    assert disc_thesis((width + 3, 96), 6, SIZE) is not None
    assert disc_thesis((-0.5, 96), 6, SIZE) is None
    assert disc((-0.5, 96), 6, SIZE) is not None
    assert disc_thesis((float(height), 96), 100, SIZE) is None


@quick
@given(box=st.tuples(coordinate, coordinate, coordinate, coordinate))
def test_rectangle_has_both_edges(box: tuple[float, float, float, float]) -> None:
    x1, y1, x2, y2 = box
    expected = oracle.pixels(SMALL, lambda x, y: x1 <= x <= x2 and y1 <= y <= y2)
    np.testing.assert_array_equal(mask_of(rectangle(box, SMALL)), expected)


def test_rectangle_that_is_not_finite_is_no_region() -> None:
    assert rectangle((float("nan"), 0, 3, 3), SMALL) is None
    assert rectangle((0, 0, float("inf"), 3), SMALL) is None


@pytest.mark.parametrize("part", oracle.PARTS)
@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
def test_part_rectangle_of_any_person(part: str, protocol: str) -> None:
    size = (64, 48)
    rng = np.random.default_rng(sum(map(ord, part)))
    painted = 0
    for _ in range(8):
        points, labelled = person(rng, size)
        named = {k: p.tolist() for k, p, v in zip(oracle.KEYPOINTS, points, labelled, strict=True) if v}
        if protocol == "thesis":
            expected = oracle.part_thesis(named, part, size)
        else:
            expected = oracle.part(named, part, 2.25, size)
        masks = full(placed(attack("part", part, radius=2.25), points, labelled, size, protocol), size)
        np.testing.assert_array_equal(masks[0] if masks else np.zeros(size, bool), expected)
        painted += bool(masks)
    assert painted >= 2


@pytest.mark.parametrize("limb", LIMBS)
@pytest.mark.parametrize("missing", [None, 0, 1, 2])
def test_thesis_limb_with_every_set_of_joints(limb: str, missing: int | None) -> None:
    members = COCO.indices("part", limb)
    size = (64, 48)
    for seed in range(3):
        points, _ = person(np.random.default_rng(seed), size)
        labelled = EVERYTHING.copy()
        if missing is not None:
            labelled[members[missing]] = False
        named = {k: p.tolist() for k, p, v in zip(oracle.KEYPOINTS, points, labelled, strict=True) if v}
        box = part_box_thesis(COCO, limb, points, labelled)
        assert box is not None
        np.testing.assert_array_equal(mask_of(rectangle(box, size), size), oracle.part_thesis(named, limb, size))


def thesis_box(part: str, **points: tuple[float, float]) -> tuple[float, ...] | None:
    labelled = np.array([name in points for name in COCO.keypoints])
    array = np.array([points.get(name, (np.nan, np.nan)) for name in COCO.keypoints])
    return part_box_thesis(COCO, part, array, labelled)


def test_thesis_rectangles_worked_out_by_hand() -> None:
    """(x1, y1, x2, y2), where the far edge is exclusive and so stands one px nearer."""
    # head: 20 x 10 becomes 24 x 12 around (60, 35).
    assert thesis_box("head", nose=(60, 40), left_ear=(70, 32), right_ear=(50, 30)) == (48, 29, 71, 40)
    # hip: d = (20, max(4, 5)), twice that around (60, 102).
    assert thesis_box("hip", left_hip=(70, 104), right_hip=(50, 100)) == (40, 97, 79, 106)
    # Three joints: their minimum rectangle, here without a column.
    assert thesis_box("left_leg", left_hip=(50, 100), left_knee=(50, 130), left_ankle=(50, 160)) == (50, 100, 49, 159)
    # Middle and an end: d = (max(4, 5), 20), twice that around the middle.
    assert thesis_box("left_arm", left_shoulder=(46, 80), left_elbow=(50, 100)) == (45, 80, 54, 119)
    assert thesis_box("left_arm", left_wrist=(54, 120), left_elbow=(50, 100)) == (45, 80, 54, 119)
    # The two ends: d = (max(4, 10), 40) around (48, 100).
    assert thesis_box("left_arm", left_shoulder=(46, 80), left_wrist=(50, 120)) == (43, 80, 52, 119)
    # Truncated, towards zero, not rounded.
    assert thesis_box("corpus", left_shoulder=(20.9, 10.9), right_hip=(-0.9, 40.99)) == (0, 10, 19, 39)


@pytest.mark.parametrize("labelled", [0, 1])
@pytest.mark.parametrize("part", oracle.PARTS)
def test_fewer_than_two_labelled_keypoints_make_no_rectangle(part: str, labelled: int) -> None:
    members = COCO.indices("part", part)
    given_keypoints = ~np.isin(np.arange(17), members[labelled:])
    assert part_box_thesis(COCO, part, STANDING, given_keypoints) is None
    assert part_box(STANDING[members[:labelled]], 6) is None


def test_corrected_rectangle_covers_every_labelled_keypoint_of_the_part_with_its_disc() -> None:
    rng = np.random.default_rng(3)
    for part in oracle.PARTS:
        points, labelled = person(rng)
        labelled[COCO.indices("part", part)[:2]] = True
        (mask,) = full(placed(attack("part", part), points, labelled))
        for i in COCO.indices("part", part):
            region = disc((points[i, 0], points[i, 1]), 6, SIZE)
            if labelled[i] and region is not None:
                assert mask[region.window][region.mask].all()


@quick
@given(centre=st.tuples(coordinate, coordinate), points=st.lists(st.tuples(coordinate, coordinate), max_size=8))
def test_contains_asks_the_nearest_pixel(centre: tuple[float, float], points: list[tuple[float, float]]) -> None:
    region = disc(centre, 5, SMALL)
    if region is None:
        return
    mask = mask_of(region)
    cases = np.array([*points, (np.nan, 1.0), (1e300, 1.0), (-0.4, -0.4)], dtype=np.float64)
    for (x, y), found in zip(cases.tolist(), region.contains(cases).tolist(), strict=True):
        in_crop = -0.5 <= x <= SMALL[1] - 0.5 and -0.5 <= y <= SMALL[0] - 0.5
        assert found == (in_crop and round(y) < SMALL[0] and round(x) < SMALL[1] and bool(mask[round(y), round(x)]))
