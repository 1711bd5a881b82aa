"""Jittered, decoys and placebo: where they may stand, checked pair by pair, and that they repeat."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest

from occbench.attacks import COCO, THESIS_FILLS, Occluders, occlude, person_rng
from occbench.attacks.placement import disc_decoys, jitter, moved, rectangle_decoys
from occbench.attacks.regions import part_box

from . import oracle
from .people import EVERYTHING, SIZE, STANDING, attack, full, noise, person, placed

SMALL_PARTS = ["head", "left_arm", "right_arm", "hip", "left_leg", "right_leg"]


def crowd(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Persons with at least the left arm labelled."""
    persons = [person(np.random.default_rng(seed)) for seed in range(n)]
    for _, labelled in persons:
        labelled[[5, 7, 9]] = True
    return persons


def same(a: Occluders, b: Occluders) -> bool:
    return (
        a.missing == b.missing
        and len(a.regions) == len(b.regions)
        and all((x == y).all() for x, y in zip(full(a), full(b), strict=True))
    )


# jittered


def test_jitter_is_uniform_in_the_disc() -> None:
    rng = np.random.default_rng(0)
    n, radius = 4000, 9.0
    moves = np.array([jitter(radius, rng) for _ in range(n)])
    length = np.hypot(*moves.T)
    assert length.max() <= radius
    assert length.max() > 0.99 * radius
    tolerance = 4 * math.sqrt(0.25 / n)  # four standard deviations of a share of one half
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):  # that share of the area lies within sqrt(share) r
        assert abs((length <= math.sqrt(share) * radius).mean() - share) < tolerance
    angle = np.arctan2(moves[:, 1], moves[:, 0])
    for octant in range(8):
        low = -math.pi + octant * math.pi / 4
        assert abs(((low <= angle) & (angle < low + math.pi / 4)).mean() - 1 / 8) < tolerance
    assert np.abs(moves.mean(0)).max() < 4 * radius / 2 / math.sqrt(n)


def test_jittered_disc_is_the_whole_disc_moved_and_still_covers_its_keypoint() -> None:
    x, y = STANDING[7]
    centres = []
    for number in range(150):
        (mask,) = full(placed(attack("keypoint", "left_elbow", "jittered", 9), STANDING, person=number))
        assert abs(int(mask.sum()) - math.pi * 81) < 16
        rows, columns = np.nonzero(mask)
        centre = columns.mean(), rows.mean()  # within a fraction of a px of the disc's
        assert math.dist(centre, (x, y)) <= 9 + 0.3
        around = mask[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
        assert around.any(), "nothing is painted at the keypoint"
        centres.append(centre)
    spread = np.array(centres) - (x, y)
    assert np.hypot(*spread.T).max() > 8
    assert np.abs(spread.mean(0)).max() < 4 * 4.5 / math.sqrt(len(centres))


def test_jittered_disc_stands_where_the_persons_generator_says() -> None:
    x, y = STANDING[7]
    dx, dy = jitter(6, person_rng(0, 3, "keypoint", "left_elbow")).tolist()
    (mask,) = full(placed(attack("keypoint", "left_elbow", "jittered"), STANDING, person=3))
    np.testing.assert_array_equal(mask, oracle.disc((x + dx, y + dy), 6, SIZE))


@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
def test_jittered_rectangle_keeps_its_size_and_the_keypoints_it_covers(protocol: str) -> None:
    (centred,) = full(placed(attack("part", "left_arm"), STANDING, protocol=protocol))
    shapes = set()
    for number in range(40):
        occluders = placed(attack("part", "left_arm", "jittered"), STANDING, protocol=protocol, person=number)
        (mask,) = full(occluders)
        shapes.add(occluders.regions[0].mask.shape)
        corners = [np.argwhere(m).min(0) for m in (mask, centred)]
        assert math.dist(*corners) <= 6 + math.sqrt(2)
        if protocol == "corrected":
            assert occluders.cover(STANDING[[5, 7, 9]]).all()
    height, width = np.ptp(np.argwhere(centred), axis=0) + 1
    if protocol == "thesis":
        assert shapes == {(height, width)}
    else:  # between whole pixels an edge may fall off
        assert shapes <= {(height - i, width - j) for i in (0, 1) for j in (0, 1)}


# decoys and placebo discs


def check_discs(centres: list[tuple[float, float]], points: np.ndarray, labelled: np.ndarray, radius: float) -> None:
    known = [tuple(p) for p, v in zip(points.tolist(), labelled, strict=True) if v]
    for a, b in combinations(centres, 2):
        assert math.dist(a, b) > 2 * radius
    for x, y in centres:
        assert min(math.dist((x, y), p) for p in known) > 2 * radius
        assert min(p[0] for p in known) - 10 <= x <= max(p[0] for p in known) + 10
        assert min(p[1] for p in known) - 10 <= y <= max(p[1] for p in known) + 10
        assert 0 <= x <= SIZE[1] - 1
        assert 0 <= y <= SIZE[0] - 1


@pytest.mark.parametrize("radius", [3, 6, 9.5])
def test_decoy_discs_keep_away_from_keypoints_and_from_each_other(radius: float) -> None:
    found = 0
    for number, (points, labelled) in enumerate(crowd(4)):
        rng = person_rng(0, number, "keypoint", "left_elbow")
        centres = disc_decoys(6, points[labelled], radius, SIZE, rng)
        check_discs(centres, points, labelled, radius)
        occluders = placed(attack("keypoint", "left_elbow", "decoys:6", radius), points, labelled, person=number)
        masks = full(occluders)
        expected = [oracle.disc(c, radius, SIZE) for c in [tuple(points[7].tolist()), *centres]]
        assert len(masks) == len(expected)
        assert all((a == b).all() for a, b in zip(masks, expected, strict=True))
        assert sum(m.astype(int) for m in masks).max() == 1, "discs overlap"
        others = [c for i, c in enumerate(points) if labelled[i] and i != 7]
        assert not Occluders(occluders.regions[1:]).cover(np.array(others)).any()
        assert occluders.missing == 6 - len(centres)
        found += len(centres)
    assert found >= 4 * 4


def test_fewer_decoys_than_wanted_are_counted() -> None:
    labelled = np.isin(np.arange(17), [0, 1, 2])
    small = placed(attack("keypoint", "nose", "decoys:50"), STANDING, labelled)
    assert 1 <= len(small.regions) < 51
    assert len(small.regions) - 1 + small.missing == 50
    full_person = placed(attack("keypoint", "nose", "decoys:100"), STANDING)
    assert 3 < len(full_person.regions) - 1 == 100 - full_person.missing < 100
    roomy = placed(attack("keypoint", "nose", "decoys:6"), STANDING)
    assert (len(roomy.regions), roomy.missing) == (7, 0)


def test_a_person_with_no_room_keeps_the_true_disc_alone() -> None:
    labelled = np.isin(np.arange(17), [0])
    big = placed(attack("keypoint", "nose", "decoys:4", 18), STANDING, labelled)
    assert (len(big.regions), big.missing) == (1, 4)
    assert placed(attack("keypoint", "nose", "placebo", 18), STANDING, labelled) == Occluders((), 1)


def test_placebo_disc_leaves_every_keypoint_alone() -> None:
    crop = noise(np.random.default_rng(0))
    for number, (points, labelled) in enumerate(crowd(12)):
        given = attack("keypoint", "left_elbow", "placebo")
        occluders = placed(given, points, labelled, person=number)
        assert (len(occluders.regions), occluders.missing) == (1, 0)
        (mask,) = full(occluders)
        assert not (mask & oracle.disc(tuple(points[7].tolist()), 6, SIZE)).any()
        assert not occluders.cover(points[labelled]).any()
        centres = disc_decoys(1, points[labelled], 6, SIZE, person_rng(0, number, "keypoint", "left_elbow"))
        check_discs(centres, points, labelled, 6)
        np.testing.assert_array_equal(mask, oracle.disc(centres[0], 6, SIZE))
        changed = (occlude(crop, occluders, given) != crop).any(-1)
        assert not (changed & ~mask).any()


@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_elbow"), ("part", "left_arm")])
def test_every_decoy_counted_is_painted(level: str, target: str, protocol: str) -> None:
    """Also under the thesis' rule, which paints no disc in the lower crop."""
    for number, (points, labelled) in enumerate(crowd(12)):
        centred = placed(attack(level, target), points, labelled, protocol=protocol, person=number)
        decoys = placed(attack(level, target, "decoys:4"), points, labelled, protocol=protocol, person=number)
        assert len(decoys.regions) - len(centred.regions) == 4 - decoys.missing
        placebo = placed(attack(level, target, "placebo"), points, labelled, protocol=protocol, person=number)
        assert len(placebo.regions) == 1 - placebo.missing
        if protocol == "thesis" and level == "keypoint":
            for mask in full(decoys):
                assert np.argwhere(mask)[:, 0].mean() <= SIZE[1]


def test_thesis_decoys_find_their_room_where_the_rule_paints() -> None:
    for number in range(10):
        for target in ("nose", "left_ankle"):  # the ankle's own disc is one that the rule leaves out
            occluders = placed(attack("keypoint", target, "decoys:6"), STANDING, protocol="thesis", person=number)
            assert (len(occluders.regions), occluders.missing) == (6 + (target == "nose"), 0)


def test_what_paints_no_pixel_is_missing() -> None:
    tiny = [placed(attack("keypoint", "nose", "decoys:8", 0.3), STANDING, person=n) for n in range(5)]
    assert all(len(o.regions) - 1 + o.missing == 8 for o in tiny)
    assert max(o.missing for o in tiny) >= 3
    points = STANDING.copy()
    points[[5, 7, 9], 0] = 120  # a straight arm has no width by the thesis' rule
    assert placed(attack("part", "left_arm", "placebo"), points, protocol="thesis") == Occluders((), 1)


def test_a_part_keypoint_without_label_may_be_covered() -> None:
    labelled = EVERYTHING.copy()
    labelled[9] = False
    given = attack("part", "left_arm", "placebo")
    first = placed(given, STANDING, labelled)
    points = STANDING.copy()
    points[9] = np.argwhere(full(first)[0]).mean(0)[::-1]
    assert same(first, placed(given, points, labelled))
    assert not same(first, placed(given, points))


@pytest.mark.parametrize("placement", ["decoys:5", "placebo"])
@pytest.mark.parametrize("shift", [(250, 0), (0, -300), (-260, 340)])
def test_nothing_is_put_on_a_person_outside_the_crop(placement: str, shift: tuple[float, float]) -> None:
    for level, target in [("keypoint", "nose"), ("part", "left_arm")]:
        occluders = placed(attack(level, target, placement), STANDING + shift)
        assert occluders == Occluders((), 5 if placement == "decoys:5" else 1)


def test_decoys_stay_in_the_crop_where_the_person_does_not() -> None:
    points = STANDING + np.array([70, -20])
    centres = disc_decoys(8, points, 6, SIZE, np.random.default_rng(0))
    assert len(centres) >= 4
    check_discs(centres, points, EVERYTHING, 6)


# decoy and placebo rectangles


@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
@pytest.mark.parametrize("part", SMALL_PARTS)
def test_decoy_rectangles_leave_the_part_alone_and_do_not_overlap(part: str, protocol: str) -> None:
    members = COCO.indices("part", part)
    for number in range(8):
        points, labelled = person(np.random.default_rng(number))
        labelled[members] = True
        occluders = placed(attack("part", part, "decoys:3"), points, labelled, protocol=protocol, person=number)
        (centred,) = full(placed(attack("part", part), points, labelled, protocol=protocol))
        own, *decoys = full(occluders)
        np.testing.assert_array_equal(own, centred)
        assert len(decoys) + occluders.missing == 3
        assert sum(mask.astype(int) for mask in [own, *decoys]).max() == 1, "rectangles overlap"
        height, width = np.ptp(np.argwhere(own), axis=0) + 1
        for region, mask in zip(occluders.regions[1:], decoys, strict=True):
            rows, columns = region.mask.shape
            at_edge = (
                region.top == 0 or region.left == 0 or region.top + rows == SIZE[0] or region.left + columns == SIZE[1]
            )
            own_at_edge = own[0].any() or own[-1].any() or own[:, 0].any() or own[:, -1].any()
            if not at_edge and not own_at_edge:
                slack = 0 if protocol == "thesis" else 1
                assert abs(rows - height) <= slack
                assert abs(columns - width) <= slack
            inside = np.argwhere(mask)
            (top, left), (bottom, right) = inside.min(0), inside.max(0)
            for x, y in points[members].tolist():
                assert not (left <= x <= right and top <= y <= bottom)


def test_decoy_rectangles_have_the_parts_own_size_and_stand_on_the_person() -> None:
    for number, (points, labelled) in enumerate(crowd(10)):
        own = points[[5, 7, 9]]
        box = part_box(own, 6)
        assert box is not None
        for beside in (True, False):
            rng = person_rng(0, number, "part", "left_arm")
            boxes = rectangle_decoys(3, points[labelled], own, box, SIZE, rng, beside)
            for x1, y1, x2, y2 in boxes:
                assert x2 - x1 == pytest.approx(box[2] - box[0], abs=1e-9)
                assert y2 - y1 == pytest.approx(box[3] - box[1], abs=1e-9)
                assert not any(x1 <= x <= x2 and y1 <= y <= y2 for x, y in own.tolist())
                (left, top), (right, bottom) = points[labelled].min(0) - 10, points[labelled].max(0) + 10
                assert left <= (x1 + x2) / 2 <= right
                assert top <= (y1 + y2) / 2 <= bottom
            for a, b in combinations([*boxes, box] if beside else boxes, 2):
                assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


@pytest.mark.parametrize("part", SMALL_PARTS)
def test_placebo_rectangle_is_on_no_labelled_keypoint_of_the_part(part: str) -> None:
    placebos = 0
    for number in range(10):
        points, labelled = person(np.random.default_rng(number))
        members = np.array(COCO.indices("part", part))
        labelled[members[:2]] = True
        occluders = placed(attack("part", part, "placebo"), points, labelled, person=number)
        assert len(occluders.regions) + occluders.missing == 1
        for mask in full(occluders):
            inside = np.argwhere(mask)
            (top, left), (bottom, right) = inside.min(0), inside.max(0)
            for x, y in points[members[labelled[members]]].tolist():
                assert not (left <= x <= right and top <= y <= bottom)
            placebos += 1
    assert placebos >= 5


@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
def test_a_person_on_whom_no_placebo_fits_is_untouched_and_counted(protocol: str) -> None:
    crop = noise(np.random.default_rng(0))
    for fill in THESIS_FILLS:
        given = attack("part", "upper_body", "placebo", fill=fill)
        labelled = np.isin(np.arange(17), COCO.indices("part", "upper_body"))
        occluders = placed(given, STANDING, labelled, protocol=protocol)
        assert occluders == Occluders((), 1)
        assert occlude(crop, occluders, given, protocol) is crop


def test_moving_a_rectangle() -> None:
    box = (3.0, 4.0, 12.0, 8.0)
    assert moved(box, np.array([1.75, -1.75]), whole=False) == (4.75, 2.25, 13.75, 6.25)
    assert moved(box, np.array([1.75, -1.75]), whole=True) == (4.0, 3.0, 13.0, 7.0)


# repeatability


@pytest.mark.parametrize("placement", ["jittered", "decoys:4", "placebo"])
@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_elbow"), ("part", "left_arm")])
def test_positions_hang_on_seed_person_and_target_alone(level: str, target: str, placement: str) -> None:
    def positions(person: int = 4, seed: int = 0, fill: str = "blackout", target: str = target) -> Occluders:
        return placed(attack(level, target, placement, fill=fill), STANDING, person=person, seed=seed)

    first = positions()
    for other in COCO.targets(level):  # whatever else is attacked in between
        positions(target=other)
    assert all(same(first, positions(fill=fill)) for fill in THESIS_FILLS)
    assert not any(same(first, positions(person=n)) for n in (5, -4, 0, 4 + 2**32, 10**12))
    assert not same(first, positions(seed=1))


def test_another_target_of_the_same_person_has_other_positions() -> None:
    for level in ("keypoint", "part"):
        draws = [person_rng(0, 4, level, target).integers(2**62) for target in COCO.targets(level)]
        assert len(set(draws)) == len(draws)
    assert person_rng(0, 4, "part", "hip").integers(2**62) != person_rng(0, 4, "keypoint", "hip").integers(2**62)


@pytest.mark.parametrize(("level", "target"), [("keypoint", "left_elbow"), ("part", "left_arm")])
def test_more_decoys_are_the_fewer_ones_and_others(level: str, target: str) -> None:
    by_count = [full(placed(attack(level, target, f"decoys:{n}"), STANDING)) for n in (1, 2, 4)]
    for fewer, more in pairwise(by_count):
        assert all((a == b).all() for a, b in zip(fewer, more, strict=False))
    if level == "keypoint":
        (placebo,) = full(placed(attack(level, target, "placebo"), STANDING))
        np.testing.assert_array_equal(placebo, by_count[0][1])


def test_decoys_spread_over_the_person() -> None:
    """Over many persons' generators every quarter of the grown box gets its share."""
    labelled = STANDING[[5, 16]]  # two far keypoints: nearly the whole box is free
    centres = [disc_decoys(1, labelled, 6, SIZE, person_rng(0, n, "keypoint", "nose"))[0] for n in range(400)]
    middle = labelled.mean(0)
    quarters = [((x > middle[0]), (y > middle[1])) for x, y in centres]
    for right in (False, True):
        for low in (False, True):
            assert 55 <= quarters.count((right, low)) <= 150
