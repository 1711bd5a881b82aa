"""What is painted: colours against sums by hand, the windowed blur against the whole crop, byte for byte."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from occbench.attacks import occlude
from occbench.attacks.fills import PART_BLUR, blurred_window, keypoint_blur, mean_colour, paint
from occbench.attacks.regions import Region, disc, rectangle

from . import oracle
from .people import SIZE, STANDING, attack, full, noise, person, placed

CORNERS_AND_EDGES = [(0, 0), (191, 0), (0, 255), (191, 255), (96, 0), (0, 128), (191, 128), (96, 255), (96.5, 128.3)]


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    return noise(np.random.default_rng(0))


def some_region(centre: tuple[float, float] = (60, 70), radius: float = 9) -> Region:
    region = disc(centre, radius, SIZE)
    assert region is not None
    return region


@pytest.mark.parametrize("level", ["keypoint", "part"])
@pytest.mark.parametrize("fill", ["blackout", "meanout", "blur"])
@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
def test_an_attack_from_end_to_end_is_the_oracle(level: str, fill: str, protocol: str) -> None:
    size = (64, 48)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        points, labelled = person(rng, size)
        picture = noise(rng, size)
        target = "left_elbow" if level == "keypoint" else "left_arm"
        labelled[[5, 7]] = True
        named = {k: p.tolist() for k, p, v in zip(oracle.KEYPOINTS, points, labelled, strict=True) if v}
        if level == "keypoint":
            mask = (oracle.disc_thesis if protocol == "thesis" else oracle.disc)(named[target], 4, size)
        elif protocol == "thesis":
            mask = oracle.part_thesis(named, target, size)
        else:
            mask = oracle.part(named, target, 4, size)
        expected = picture.copy()
        if fill == "blackout":
            expected[mask] = 0
        elif fill == "blur":
            soft = oracle.keypoint_blur(picture, 4) if level == "keypoint" else oracle.part_blur(picture)
            expected[mask] = soft[mask]
        elif protocol == "thesis":
            expected[mask] = [oracle.truncated_mean(picture, c) for c in range(3)]
        else:
            expected[mask] = [min(oracle.nearest_mean(picture, c)) for c in range(3)]
        given = attack(level, target, radius=4, fill=fill)
        before = picture.copy()
        attacked = occlude(picture, placed(given, points, labelled, size, protocol), given, protocol)
        np.testing.assert_array_equal(attacked, expected)
        np.testing.assert_array_equal(picture, before, err_msg="the crop itself was painted on")


def test_mean_is_that_of_the_whole_crop_with_its_padding() -> None:
    for seed in range(5):
        picture = noise(np.random.default_rng(seed), (31, 17))
        for channel in range(3):
            assert int(mean_colour(picture)[channel]) in oracle.nearest_mean(picture, channel)
            assert mean_colour(picture, truncate=True)[channel] == oracle.truncated_mean(picture, channel)


def test_mean_with_a_fraction_worked_out_by_hand() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = [3, 255, 7]  # means .75, 63.75, 1.75: three of the four pixels are padding
    assert mean_colour(picture).tolist() == [1, 64, 2]
    assert mean_colour(picture, truncate=True).tolist() == [0, 63, 1]
    white = np.full((256, 192, 3), 255, np.uint8)
    assert mean_colour(white).tolist() == mean_colour(white, truncate=True).tolist() == [255] * 3


@pytest.mark.parametrize("radius", range(1, 19))
def test_kernel_and_sigma_of_a_keypoint(radius: int) -> None:
    kernel, sigma = keypoint_blur(radius)
    assert kernel == 2 * radius - 1
    assert sigma == pytest.approx(0.3 * ((2 * radius - 1 - 1) / 2 - 1) + 0.8, abs=1e-12)


def test_kernel_of_the_default_radius_and_of_a_part() -> None:
    assert keypoint_blur(6) == (11, pytest.approx(2.0))
    assert PART_BLUR == (31, 5.0)


@pytest.mark.parametrize(("radius", "kernel"), [(0.4, 1), (1.4, 1), (1.6, 3), (5.7, 11), (6.3, 11), (17.9, 35)])
def test_kernel_of_a_fractional_radius_is_the_nearest_odd_one(radius: float, kernel: int) -> None:
    assert keypoint_blur(radius)[0] == kernel


@pytest.mark.parametrize("radius", [5, 6, 9, 12, 15, 18])
def test_sigma_is_opencvs_own_where_opencv_has_no_table(radius: int, crop: np.ndarray) -> None:
    kernel, sigma = keypoint_blur(radius)
    np.testing.assert_array_equal(
        cv2.GaussianBlur(crop, (kernel, kernel), sigma), cv2.GaussianBlur(crop, (kernel, kernel), 0)
    )


@pytest.mark.parametrize("radius", [*range(1, 19), 2.5, 6.3, 11.5, 17.75])
def test_blur_of_a_window_is_the_blur_of_the_crop(radius: float, crop: np.ndarray) -> None:
    kernel, sigma = keypoint_blur(radius)
    whole = cv2.GaussianBlur(crop, (kernel, kernel), sigma)
    for centre in CORNERS_AND_EDGES:
        region = some_region(centre, radius)
        np.testing.assert_array_equal(blurred_window(crop, region, kernel, sigma), whole[region.window])


@pytest.mark.parametrize("size", [(256, 192), (40, 33), (20, 10), (3, 2), (1, 1)])
def test_blur_of_a_parts_window_is_the_blur_of_the_crop(size: tuple[int, int]) -> None:
    """Also of crops smaller than the kernel, which are mirrored more than once."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    whole = oracle.part_blur(picture)
    for _ in range(25):
        x1, x2 = sorted(rng.uniform(-5, size[1] + 5, 2))
        y1, y2 = sorted(rng.uniform(-5, size[0] + 5, 2))
        region = rectangle((x1, y1, x2, y2), size)
        if region is not None:
            np.testing.assert_array_equal(blurred_window(picture, region, *PART_BLUR), whole[region.window])


def test_blur_of_a_picture_cut_out_of_a_larger_one_sees_nothing_of_it(crop: np.ndarray) -> None:
    cut = crop[20:90, 10:80]
    region = disc((2, 3), 9, (70, 70))
    assert region is not None
    np.testing.assert_array_equal(
        blurred_window(cut, region, 17, 3.0), cv2.GaussianBlur(cut.copy(), (17, 17), 3.0)[region.window]
    )


@pytest.mark.parametrize(("x", "y"), [(60, 70), (0, 0), (191, 128), (3, 254)])
def test_blur_is_the_gaussian_of_its_formula(x: int, y: int, crop: np.ndarray) -> None:
    for kernel, sigma in [keypoint_blur(6), keypoint_blur(18), PART_BLUR]:
        region = some_region((x, y), 1)
        painted = paint(crop, [region], "blur", (kernel, sigma))
        expected = oracle.gaussian_at(crop, x, y, kernel, sigma)
        assert all(math.isclose(a, b, abs_tol=1.0) for a, b in zip(painted[y, x].tolist(), expected, strict=True))


@pytest.mark.parametrize("fill", ["blackout", "meanout", "blur"])
def test_every_region_is_filled_from_the_unpainted_crop(fill: str, crop: np.ndarray) -> None:
    """Overlapping regions in any order paint the same, and a second one sees nothing of the first."""
    regions = [some_region((60, 70)), some_region((66, 72)), some_region((90, 70), 4)]
    together = paint(crop, regions, fill, (11, 2.0))
    np.testing.assert_array_equal(together, paint(crop, regions[::-1], fill, (11, 2.0)))
    for region in regions:
        alone = paint(crop, [region], fill, (11, 2.0))
        np.testing.assert_array_equal(together[region.window][region.mask], alone[region.window][region.mask])


def test_no_region_gives_the_very_crop(crop: np.ndarray) -> None:
    assert paint(crop, [], "blackout", (11, 2.0)) is crop


def test_a_lone_region_beside_the_oracles_whole_blur(crop: np.ndarray) -> None:
    for target in ("nose", "left_ankle"):
        given = attack("keypoint", target, "decoys:3", radius=9, fill="blur")
        occluders = placed(given, STANDING)
        mask = np.logical_or.reduce(full(occluders))
        expected = np.where(mask[..., None], oracle.keypoint_blur(crop, 9), crop)
        np.testing.assert_array_equal(occlude(crop, occluders, given), expected)
