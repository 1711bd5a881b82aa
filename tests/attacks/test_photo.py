"""Attacks on whole photos: the regions of the crop carried into the photo, painted person by person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from occbench.attacks import (
    COCO,
    THESIS_FILLS,
    Attack,
    Occluders,
    Placement,
    Subject,
    mean_colour,
    occlude_photo,
    person_rng,
    place,
    place_in_photo,
)
from occbench.attacks.fills import scaled_blur

from .people import STANDING

PHOTO = (480, 640)
WHERE = np.array([200.0, 90.0])


def subject(number: int, scale: float, at: np.ndarray = WHERE, colour: int = 90) -> Subject:
    """The standing person, ``scale`` image px for one of his crop's."""
    return Subject(
        number, STANDING * scale + at, np.ones(17, dtype=bool), scale, np.array([colour, 7, 30], dtype=np.uint8)
    )


@pytest.mark.parametrize("placement", ["centred", "jittered", "decoys:4", "placebo"])
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_wrist"), ("part", "head"), ("part", "lower_body")])
def test_a_photo_has_the_regions_of_the_crop(level: str, target: str, placement: str) -> None:
    """The same person and seed: the same places and sizes, times the scale; nothing clips here."""
    attack = Attack(level, "blackout", target, 5, Placement.parse(placement))
    room = (2000, 2000)
    points = STANDING + 500
    rng = person_rng(3, 42, level, target)
    in_crop = place(attack, COCO, points, np.ones(17, dtype=bool), room, "corrected", rng)
    for scale in (0.3, 1.7):
        who = Subject(42, points * scale, np.ones(17, dtype=bool), scale, np.zeros(3, dtype=np.uint8))
        (in_photo,) = place_in_photo((4000, 4000), [who], attack, COCO, 3)
        assert len(in_photo.regions) == len(in_crop.regions) > 0
        assert (in_photo.true, in_photo.missing) == (in_crop.true, in_crop.missing)
        for a, b in zip(in_crop.regions, in_photo.regions, strict=True):
            np.testing.assert_allclose(np.array(a.centre) * scale, b.centre, atol=1e-6)
            np.testing.assert_allclose(np.array(a.mask.shape) * scale, b.mask.shape, atol=1 + scale)


@pytest.mark.parametrize("placement", ["decoys:6", "placebo"])
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_wrist"), ("part", "head")])
def test_decoys_and_placebos_spare_the_keypoints_of_others(level: str, target: str, placement: str) -> None:
    """Two persons in front of each other: the other's joint of that name stays free, as alone it need not."""
    attack = Attack(level, "blackout", target, 6, Placement.parse(placement))
    members = COCO.indices(level, target)
    moved = 0
    for number in range(1, 41):
        pair = [subject(number, 1.0), subject(-number, 1.4, WHERE + np.array([31 - number, 25 - number]))]
        together = place_in_photo(PHOTO, pair, attack, COCO, 0)
        for who, other, found in zip(pair, pair[::-1], together, strict=True):
            elsewhere = Occluders(found.regions[found.true :])
            assert not elsewhere.cover(other.keypoints[members]).any()
            (alone,) = place_in_photo(PHOTO, [who], attack, COCO, 0)
            assert len(elsewhere.regions) + found.missing == attack.placement.elsewhere
            if Occluders(alone.regions[alone.true :]).cover(other.keypoints[members]).any():
                moved += 1
                assert [r.centre for r in found.regions] != [r.centre for r in alone.regions]
    assert moved >= 2, "nobody's decoy was in the way"


@pytest.mark.parametrize("placement", ["decoys:6", "placebo"])
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_wrist"), ("part", "head")])
def test_whoever_is_far_away_or_not_labelled_there_moves_nothing(level: str, target: str, placement: str) -> None:
    attack = Attack(level, "blackout", target, 6, Placement.parse(placement))
    who = subject(5, 1.0)
    (alone,) = place_in_photo(PHOTO, [who], attack, COCO, 0)
    unlabelled = np.ones(17, dtype=bool)
    unlabelled[COCO.indices(level, target)] = False
    for other in (subject(6, 1.0, WHERE + 300), replace(subject(6, 1.0), labelled=unlabelled)):
        found = place_in_photo(PHOTO, [who, other], attack, COCO, 0)[0]
        assert [r.centre for r in found.regions] == [r.centre for r in alone.regions]


@pytest.mark.parametrize("fill", THESIS_FILLS)
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_hip"), ("part", "corpus")])
def test_painting_is_that_of_a_plain_loop(level: str, target: str, fill: str) -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (*PHOTO, 3), dtype=np.uint8)
    subjects = [subject(1, 1.3), subject(2, 0.45, WHERE + 60, 200), subject(3, 2.2, WHERE - 320)]
    attack = Attack(level, fill, target, 6)
    found = occlude_photo(photo, subjects, place_in_photo(PHOTO, subjects, attack, COCO, 0), attack)
    expected = photo.copy()
    y, x = np.mgrid[: PHOTO[0], : PHOTO[1]]
    for who in subjects:
        own = who.keypoints[COCO.indices(level, target)]
        r = 6 * who.scale
        if level == "keypoint":
            inside = (x - own[0, 0]) ** 2 + (y - own[0, 1]) ** 2 <= r * r
        else:
            (left, top), (right, bottom) = own.min(0) - r, own.max(0) + r
            inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        kernel, sigma = (31, 5.0) if level == "part" else (11, 0.3 * 4 + 0.8)
        wide = kernel * who.scale
        kernel = min((abs(odd - wide), odd) for odd in range(1, 201, 2))[1]
        soft = cv2.GaussianBlur(photo, (kernel, kernel), sigma * who.scale)
        expected[inside] = {"blackout": np.zeros(3), "meanout": who.colour}.get(fill, soft[inside])
    assert not np.array_equal(found, photo)
    np.testing.assert_array_equal(found, expected)


def test_where_nothing_is_placed_the_photo_is_the_very_same() -> None:
    photo = np.full((*PHOTO, 3), 9, dtype=np.uint8)
    nobody = Subject(1, STANDING, np.zeros(17, dtype=bool), 1.0, mean_colour(photo))
    attack = Attack("keypoint", "blackout", "nose")
    assert occlude_photo(photo, [nobody], place_in_photo(PHOTO, [nobody], attack, COCO, 0), attack) is photo


@pytest.mark.parametrize(
    ("kernel", "scale", "expected"),
    [(31, 1.0, 31), (31, 0.2, 7), (31, 0.01, 1), (11, 1.5, 17), (11, 20.0, 221), (1, 1.0, 1)],
)
def test_a_scaled_kernel_is_the_nearest_odd_one(kernel: int, scale: float, expected: int) -> None:
    found, sigma = scaled_blur((kernel, 2.0), scale)
    assert found % 2 == 1
    assert abs(found - kernel * scale) <= 1 + 1e-9
    assert sigma == 2.0 * scale
    assert found == expected


GOLDEN = Path(__file__).parent / "golden" / "thesis_photo.npz"
"""A made-up photo of three persons (and a person without labels) as the thesis' published code paints it."""


@pytest.mark.parametrize(
    ("name", "level", "fill", "target"),
    [
        ("nose_blackout", "keypoint", "blackout", "nose"),  # the third nose lies right of x = height: no disc
        ("left_elbow_meanout", "keypoint", "meanout", "left_elbow"),
        ("nose_blur", "keypoint", "blur", "nose"),
        ("left_arm_blackout", "part", "blackout", "left_arm"),
        ("corpus_meanout", "part", "meanout", "corpus"),  # three colours: the mean is that of the photo so far
        ("upper_body_blur", "part", "blur", "upper_body"),
    ],
)
def test_thesis_paints_photos_as_its_code_does(name: str, level: str, fill: str, target: str) -> None:
    golden = np.load(GOLDEN)
    photo = golden["image"]
    expected = photo.copy()
    expected.reshape(-1, 3)[golden[f"{name}/at"]] = golden[f"{name}/to"]
    people = [
        Subject(i, points[:, :2], points[:, 2] > 0, 1.7, np.zeros(3, np.uint8))  # the scale plays no part
        for i, points in enumerate(golden["keypoints"])
    ]
    attack = Attack(level, fill, target, 6)
    placed = place_in_photo(photo.shape[:2], people, attack, COCO, 0, protocol="thesis")
    found = occlude_photo(photo, people, placed, attack, "thesis")
    assert np.abs(found.astype(int) - expected).max() <= (1 if fill == "blur" else 0)
