"""Blur, cutout, both, several keypoints, and the untargeted control."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from occbench.attacks import COCO, MPII, Attack, Placement, occlude, place
from occbench.augmentations import (
    MultiKeypointOcclusion,
    Occlusion,
    RandomCutout,
    TargetedBlur,
    TargetedCutout,
    TargetedCutoutBlur,
)
from occbench.augmentations.occlusion import SMALL_PARTS
from occbench.system.errors import OccbenchError

from ..attacks import oracle
from ..attacks.people import EVERYTHING, SIZE, STANDING, person
from .samples import apply, changed, photo, sample

TARGETS = {"keypoint": COCO.keypoints, "part": SMALL_PARTS}


def attacked(given: dict[str, Any], level: str, fill: str, target: str, radius: float = 6) -> np.ndarray:
    """The picture under the attack on ``target``."""
    points = given["transformed_keypoints"][0].astype(np.float64)
    labelled = given["keypoints_visible"][0] > 0
    attack = Attack(level, fill, target, radius)
    occluders = place(attack, COCO, points, labelled, SIZE, "corrected", np.random.default_rng(0))
    return occlude(given["img"], occluders, attack)


@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_a_cutout_is_the_attack_on_one_of_the_targets(level: str) -> None:
    given = sample()
    wanted = {t: attacked(given, level, "meanout", t) for t in TARGETS[level]}
    seen = set()
    for seed in range(60):
        out = apply(TargetedCutout(level, p=1), given, seed)["img"]
        hit = [target for target, image in wanted.items() if np.array_equal(image, out)]
        assert len(hit) == 1
        seen.add(hit[0])
    assert len(seen) >= (12 if level == "keypoint" else 5)


@pytest.mark.parametrize(("level", "kernel"), [("keypoint", 11), ("part", None)])
def test_a_blur_is_the_attack_on_one_of_the_targets(level: str, kernel: int | None) -> None:
    given = sample()
    for seed in range(8):
        out = apply(TargetedBlur(level, kernel=kernel, p=1), given, seed)["img"]
        assert any(np.array_equal(attacked(given, level, "blur", t), out) for t in TARGETS[level])


def test_the_keypoint_blur_has_the_thesis_kernel() -> None:
    given = sample()
    soft = cv2.GaussianBlur(given["img"], (9, 9), 0)  # OpenCV's own rule for sigma
    discs = [oracle.disc(tuple(p), 6, SIZE) for p in STANDING.tolist()]
    for seed in range(5):
        out = apply(TargetedBlur("keypoint", p=1), given, seed)
        mask = changed(given, out)
        np.testing.assert_array_equal(out["img"][mask], soft[mask])
        assert any((mask <= disc).all() and mask.sum() > 0.98 * disc.sum() for disc in discs)


def test_only_what_is_labelled_is_drawn() -> None:
    few = np.isin(np.arange(17), [7, 9, 11])  # left elbow and wrist, left hip
    given = sample(labelled=few)
    for seed in range(20):
        out = apply(TargetedCutout("keypoint", p=1), given, seed)["img"]
        assert any(
            np.array_equal(attacked(given, "keypoint", "meanout", t), out) for t in np.array(COCO.keypoints)[few]
        )
        out = apply(TargetedCutout("part", p=1), given, seed)["img"]
        np.testing.assert_array_equal(out, attacked(given, "part", "meanout", "left_arm"))
    for level in ("keypoint", "part"):
        nobody = sample(labelled=~EVERYTHING)
        assert apply(TargetedCutout(level, p=1), nobody)["img"] is nobody["img"]


@pytest.mark.parametrize(
    "transform",
    [
        pytest.param(TargetedCutout("part", p=1, removal=True), id="cutout"),
        pytest.param(TargetedBlur("part", p=1, removal=True), id="blur"),
        pytest.param(TargetedCutout("part", p=1, removal=True, decoys=3), id="decoys"),
        pytest.param(TargetedCutoutBlur("part", p=1, removal=True), id="both"),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_removal_takes_exactly_the_covered_labels(transform: Occlusion, weighted: bool) -> None:
    removed = 0
    for seed in range(10):
        points, labelled = person(np.random.default_rng(seed))
        given = sample(points, labelled)
        if weighted:  # MMPose's second column weighs the visibility itself
            given["keypoints_visible"] = np.stack([given["keypoints_visible"]] * 2, -1)
        before = given["keypoints_visible"].copy()
        out = apply(transform, given, seed)
        np.testing.assert_array_equal(given["keypoints_visible"], before)
        mask = np.pad(changed(given, out), 200)  # keypoints may lie outside the crop
        x, y = np.rint(points).astype(int).T + 200
        expected = np.where(mask[y, x], 0, before[0].T).T
        np.testing.assert_array_equal(out["keypoints_visible"][0], expected)
        removed += int((before != out["keypoints_visible"]).sum())
    assert removed >= 15


def test_without_removal_every_label_stays() -> None:
    given = sample()
    for transform in (TargetedCutout("part", p=1), TargetedBlur("part", p=1), MultiKeypointOcclusion(p=1)):
        out = apply(transform, given)
        assert out["keypoints_visible"] is given["keypoints_visible"]
        assert changed(given, out).any()


@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_decoys_are_the_attacks_decoys(level: str) -> None:
    given = sample()
    for seed in range(6):
        out = apply(TargetedCutout(level, p=1, decoys=4), given, seed)
        drawn = {}
        for target in TARGETS[level]:  # the same draws by hand
            np.random.seed(seed)  # noqa: NPY002
            rng = np.random.Generator(np.random.get_bit_generator())
            rng.random()
            rng.integers(len(TARGETS[level]))
            attack = Attack(level, "meanout", target, placement=Placement("decoys", 4))
            occluders = place(attack, COCO, STANDING, EVERYTHING, SIZE, "corrected", rng)
            drawn[target] = occlude(given["img"], occluders, attack), len(occluders.regions)
        counts = [n for image, n in drawn.values() if np.array_equal(image, out["img"])]
        assert len(counts) == 1
        assert counts[0] == 5 or level == "part"


def test_multi_keypoint_hides_different_keypoints_cut_out_or_blurred() -> None:
    points = np.stack([20 + 45 * (np.arange(17) % 4), 20 + 50 * (np.arange(17) // 4)], 1).astype(float)  # far apart
    given = sample(points)
    colour = np.rint(given["img"].reshape(-1, 3).mean(0))
    discs = [oracle.disc(tuple(p), 6, SIZE) for p in points.tolist()]
    counts, kinds = [], set()
    for seed in range(40):
        out = apply(MultiKeypointOcclusion(p=0.7), given, seed)
        mask = changed(given, out)
        hidden = [mask & disc for disc in discs]
        hidden = [disc for disc in hidden if disc.any()]
        assert sum(disc.sum() for disc in hidden) == mask.sum()
        counts.append(len(hidden))
        kinds |= {bool(np.abs(out["img"][disc] - colour).max() <= 20) for disc in hidden}
    assert kinds == {True, False}
    assert max(counts) == 5
    assert 2.9 < np.mean(counts) < 4.1


def test_a_random_cutout_is_anywhere_and_as_large_as_the_targeted_one() -> None:
    given = sample()
    area = oracle.disc((90.0, 100.0), 6, SIZE).sum()
    centres = []
    for seed in range(200):
        mask = changed(given, apply(RandomCutout(p=1), given, seed))
        rows, columns = np.nonzero(mask)
        centres.append((columns.mean() / SIZE[1], rows.mean() / SIZE[0]))
        assert 0.2 * area <= mask.sum() <= 1.1 * area  # less at the edge
    grid, *_ = np.histogram2d(*np.array(centres).T, bins=4, range=[(0, 1), (0, 1)])
    assert grid.min() >= 3
    sizes = {np.ptp(np.argwhere(changed(given, apply(TargetedCutout("part", p=1), given, s))), axis=0).tolist()[0]
             for s in range(30)}  # fmt: skip
    heights = {
        np.ptp(np.argwhere(changed(given, apply(RandomCutout("part", p=1), given, s))), axis=0).tolist()[0]
        for s in range(30)
    }
    assert max(heights) <= max(sizes) + 1
    assert len(heights) >= 4


def test_bottom_up_every_person_has_a_chance_of_its_own() -> None:
    small = [((STANDING - [96, 128]) * 0.3 + [40 + 55 * n, 60 + 60 * (n % 2)], EVERYTHING) for n in range(3)]
    given = photo(small)
    given["img"] = np.random.default_rng(2).integers(0, 256, given["img"].shape, dtype=np.uint8)
    outcomes = set()
    for seed in range(40):
        out = apply(TargetedCutout("part", p=0.5, radius=2, removal=True), given, seed)
        mask = changed(given, out)
        hidden = tuple(bool((out["keypoints_visible"][n] == 0).any()) for n in range(3))
        outcomes.add(hidden)
        at = np.rint(given["keypoints"]).astype(int)
        np.testing.assert_array_equal(out["keypoints_visible"] == 0, mask[at[..., 1], at[..., 0]])
    assert len(outcomes) == 8


def test_mpii_has_its_own_parts() -> None:
    points = np.random.default_rng(3).uniform(60, 130, (16, 2))
    given = sample(points, np.ones(16, bool), dataset_name="mpii")
    attack = {part: Attack("part", "meanout", part) for part in SMALL_PARTS}
    wanted = [
        occlude(given["img"], place(a, MPII, given["transformed_keypoints"][0].astype(float), np.ones(16, bool), SIZE,
                                    "corrected", np.random.default_rng(0)), a)
        for a in attack.values()
    ]  # fmt: skip
    for seed in range(10):
        out = apply(TargetedCutout("part", p=1), given, seed)["img"]
        assert any(np.array_equal(out, image) for image in wanted)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: TargetedBlur("keypoint", p=1.2), "from 0 to 1, but got 1.2", id="p"),
        pytest.param(lambda: MultiKeypointOcclusion(p=-0.1), "from 0 to 1", id="negative p"),
        pytest.param(lambda: RandomCutout(p=float("nan")), "from 0 to 1", id="p is nan"),
        pytest.param(lambda: TargetedBlur("joint"), "unknown level of TargetedBlur 'joint'", id="level"),
        pytest.param(lambda: TargetedCutout("keypoint", removal=True), "all that there is to learn", id="removal"),
        pytest.param(lambda: TargetedCutoutBlur("keypoint", removal=True), "use removal with parts", id="both removal"),
        pytest.param(lambda: TargetedBlur("part", kernel=8), "odd number of px, but got 8", id="kernel"),
        pytest.param(lambda: TargetedBlur("part", sigma=0), "positive number of px", id="sigma"),
        pytest.param(lambda: TargetedCutout("part", radius=-1), "radius of TargetedCutout", id="radius"),
        pytest.param(lambda: TargetedCutout("part", decoys=-1), "decoys of TargetedCutout", id="decoys"),
        pytest.param(lambda: TargetedCutout("part", parts=("left_army",)), "did you mean left_arm", id="part"),
        pytest.param(lambda: TargetedCutout("part", parts=()), "at least one part", id="no part"),
        pytest.param(lambda: MultiKeypointOcclusion(max_keypoints=0), "from 1 up", id="no keypoint"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make: Any, words: str) -> None:
    with pytest.raises(OccbenchError, match=words):
        make()


def test_a_data_set_without_a_skeleton_is_one_clear_error() -> None:
    with pytest.raises(OccbenchError, match="unknown data set of a training sample 'aic'"):
        apply(TargetedCutout("part"), sample(dataset_name="aic"))
    with pytest.raises(OccbenchError, match="has 17 keypoints, but mpii has 16"):
        apply(TargetedCutout("part"), sample(dataset_name="mpii"))
