"""Chances: 10,000 draws of each augmentation against what was asked for (chi-square)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from occbench.attacks import COCO, Occluders
from occbench.augmentations import (
    MultiKeypointOcclusion,
    Occlusion,
    PartMix,
    RandomCutout,
    TargetedBlur,
    TargetedCutout,
    TargetedCutoutBlur,
)
from occbench.augmentations.occlusion import SMALL_PARTS, Person, people_of
from occbench.augmentations.partmix import PARTS

from ..attacks.people import SIZE, STANDING
from .samples import Crowd, sample

N = 10_000
UNLIKELY = 1e-3
POINTS = STANDING / 8
SMALL = Person(POINTS, np.ones(17, bool), COCO, (32, 24))
IMAGE = np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8)


def draw(transform: Occlusion, seed: int) -> list[Occluders]:
    """What is painted in :data:`N` draws."""
    rng = np.random.default_rng(seed)
    return [transform.hide(IMAGE, SMALL, {}, rng)[1] for _ in range(N)]


def check(seen: Mapping[Hashable, int], expected: Mapping[Hashable, float]) -> None:
    """``expected``: the probability of each outcome; the others must not occur."""
    assert seen.keys() <= expected.keys()
    assert sum(expected.values()) == pytest.approx(1)
    counts = [seen.get(outcome, 0) for outcome in expected]
    assert chisquare(counts, [p * sum(counts) for p in expected.values()]).pvalue > UNLIKELY


def keypoint_at(centre: tuple[float, float]) -> int:
    return int(np.argmin(np.linalg.norm(POINTS - centre, axis=1)))


CENTRES = {
    part: tuple((POINTS[COCO.indices("part", part)].min(0) + POINTS[COCO.indices("part", part)].max(0)) / 2)
    for part in (*PARTS, "hip")
}


def part_at(centre: tuple[float, float]) -> str:
    return min(CENTRES, key=lambda part: float(np.hypot(*np.subtract(CENTRES[part], centre))))


@pytest.mark.parametrize(("kind", "p"), [(TargetedBlur, 0.2), (TargetedCutout, 0.5)])
def test_one_random_target_with_chance_p(kind: type[TargetedCutout], p: float) -> None:
    seen = Counter(
        keypoint_at(o.regions[0].centre) if o.regions else None for o in draw(kind("keypoint", p=p, radius=1), 1)
    )
    check(seen, {None: 1 - p} | dict.fromkeys(range(17), p / 17))
    parts = Counter(part_at(o.regions[0].centre) if o.regions else None for o in draw(kind("part", p=p, radius=1), 2))
    check(parts, {None: 1 - p} | dict.fromkeys(SMALL_PARTS, p / 5))


def test_cutout_and_blur_are_drawn_apart() -> None:
    seen = Counter(
        tuple(keypoint_at(region.centre) < 8 for region in o.regions)
        for o in draw(TargetedCutoutBlur("keypoint", p=0.5, radius=1), 3)
    )
    low = 8 / 17
    one = {(True,): low, (False,): 1 - low}
    both = {(*a, *b): pa * pb for a, pa in one.items() for b, pb in one.items()}
    check(seen, {(): 0.25} | {k: 0.5 * v for k, v in one.items()} | {k: 0.25 * v for k, v in both.items()})


def test_multi_keypoint_draws_each_of_five_with_chance_p() -> None:
    occluders = draw(MultiKeypointOcclusion(p=0.2, radius=1), 4)
    check(Counter(len(o.regions) for o in occluders), {n: binom.pmf(n, 5, 0.2) for n in range(6)})
    check(Counter(keypoint_at(r.centre) for o in occluders for r in o.regions), dict.fromkeys(range(17), 1 / 17))
    assert all(len({r.centre for r in o.regions}) == len(o.regions) for o in occluders)


def test_a_random_cutout_is_uniform_over_the_picture() -> None:
    occluders = draw(RandomCutout(p=0.5, radius=1), 5)
    seen = Counter((int(4 * o.regions[0].centre[0] / 23), int(4 * o.regions[0].centre[1] / 31)) if o.regions else None
                   for o in occluders)  # fmt: skip
    check(seen, {None: 0.5} | {(x, y): 0.5 / 16 for x in range(4) for y in range(4)})


def test_partmix_draws_part_person_and_donor_uniformly(tmp_path: Path) -> None:
    labelled = np.ones((5, 17), bool)
    labelled[3, :5] = False  # one who has no head to give must not be drawn less often
    given = sample(dataset=Crowd(tmp_path, labelled))
    transform = PartMix(p=0.5)
    rng = np.random.default_rng(6)
    (person,) = people_of(given)
    bank = transform._donors(person, given, rng)
    small = {**given, "img": IMAGE}
    seen = [transform.hide(IMAGE, SMALL, small, rng)[1] for _ in range(N)]
    parts = Counter(part_at(o.regions[0].centre) if o.regions else None for o in seen)
    check(parts, {None: 0.5} | dict.fromkeys(PARTS, 0.5 / 6))
    donors = [bank.draw("left_arm", frozenset({1}), rng) for _ in range(N)]
    assert all(donor is not None for donor in donors)
    whole = ("head", "left_leg", "right_leg", "corpus")
    expected = {(person, part): 1 / 16 for person in (2, 3, 5) for part in whole}
    expected |= {(4, part): 1 / 12 for part in whole[1:]}
    check(Counter((d.person, d.part) for d in donors if d), expected)


def test_the_size_of_the_crop_is_height_and_width() -> None:
    assert people_of(sample())[0].size == SIZE
