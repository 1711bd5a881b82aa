"""Fills beyond the thesis: what they leave alone, where their content comes from, and what objects cover."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from occbench.attacks import (
    COCO,
    WORLD_FILLS,
    Attack,
    Cutout,
    Cutouts,
    Donors,
    Draw,
    Material,
    Occluders,
    Placement,
    Subject,
    content_rng,
    drawn_cutouts,
    mean_colour,
    occlude,
    occlude_photo,
    person_rng,
    place,
    place_in_photo,
)
from occbench.attacks.donors import kind_of
from occbench.attacks.drawing import DRAWINGS, drawn
from occbench.attacks.inpaint import EXACT, inpainted_window
from occbench.attacks.regions import Region, disc

from .people import STANDING

SIZE = (256, 192)
SEEDS = range(6)
TARGETS = [
    ("keypoint", "nose"),
    ("keypoint", "left_wrist"),
    ("part", "left_arm"),
    ("part", "head"),
    ("part", "left_side"),
]


def crop(seed: int = 0) -> np.ndarray:
    """Clouds and grain."""
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.integers(0, 256, (8, 6, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.add(clouds, rng.integers(0, 30, clouds.shape, np.uint8))


def donors(n: int = 5) -> Donors:
    """Persons 1 to n, each in a crop of one colour of its own."""

    def view(i: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full((*SIZE, 3), 10 * (i + 1), np.uint8), STANDING

    return Donors(COCO, np.arange(1, n + 1), np.ones((n, 17), bool), view)


def hidden(
    attack: Attack, seed: int = 0, person: int = 1, points: np.ndarray = STANDING, material: Material | None = None
) -> tuple[np.ndarray, Occluders]:
    draw = Draw(material or Material(donors=donors()), content_rng(seed, person, attack), frozenset({person}))
    rng = person_rng(seed, person, attack.level, attack.target)
    found = place(attack, COCO, points, np.ones(17, bool), SIZE, "corrected", rng, draw=draw)
    return occlude(crop(), found, attack), found


def touched(found: Occluders) -> np.ndarray:
    """Every pixel that may change: of an object also those that it covers in part."""
    pixels = np.zeros(SIZE, bool)
    for region in found.regions:
        pixels[region.window] |= region.mask if region.alpha is None else region.alpha > 0
    return pixels


@pytest.mark.parametrize("placement", ["centred", "jittered", "decoys:2", "placebo"])
@pytest.mark.parametrize("fill", WORLD_FILLS)
@pytest.mark.parametrize(("level", "target"), TARGETS)
def test_outside_of_the_mask_nothing_changes(level: str, target: str, fill: str, placement: str) -> None:
    image, found = hidden(Attack(level, fill, target, placement=Placement.parse(placement)))
    pixels = touched(found)
    np.testing.assert_array_equal(image[~pixels], crop()[~pixels])
    if found.regions:
        assert (image[pixels] != crop()[pixels]).any()


@pytest.mark.parametrize("fill", WORLD_FILLS)
@pytest.mark.parametrize(("level", "target"), TARGETS)
def test_the_same_seed_gives_the_same_bytes(level: str, target: str, fill: str) -> None:
    attack = Attack(level, fill, target)
    np.testing.assert_array_equal(hidden(attack, 3)[0], hidden(attack, 3)[0])
    if fill != "inpaint":
        images = [
            hidden(attack, seed, person)[0].tobytes() for seed, person in ((3, 1), (4, 1), (3, 2), (5, 1), (6, 1))
        ]
        assert len(set(images)) > 1


@pytest.mark.parametrize("fill", ["noise", "inpaint", "person"])
@pytest.mark.parametrize(("level", "target"), TARGETS)
def test_the_region_is_that_of_the_thesis_fills(level: str, target: str, fill: str) -> None:
    _, world = hidden(Attack(level, fill, target, placement=Placement("decoys", 2)))
    _, plain = hidden(Attack(level, "blackout", target, placement=Placement("decoys", 2)))
    for a, b in zip(world.regions, plain.regions, strict=True):
        assert (a.top, a.left, a.centre) == (b.top, b.left, b.centre)
        np.testing.assert_array_equal(a.mask, b.mask)


def odd_shapes() -> list[Cutout]:
    """Outlines that are hard to fit: a thin bar, a ring, a star of four points, and one pixel row."""
    bar = np.zeros((90, 12), np.uint8)
    bar[:, 2:10] = 255
    ring = cv2.circle(np.zeros((80, 80), np.uint8), (40, 40), 34, 255, 10)
    star = np.zeros((80, 80), np.uint8)
    cv2.fillPoly(star, [np.array([[40, 0], [48, 32], [79, 40], [48, 48], [40, 79], [32, 48], [0, 40], [32, 32]])], 255)
    line = np.full((1, 40), 255, np.uint8)
    made = {"bar": bar, "ring": ring, "star": star, "line": line}
    return [Cutout(name, np.dstack([np.full((*alpha.shape, 3), 90, np.uint8), alpha])) for name, alpha in made.items()]


@pytest.mark.parametrize("cutout", [*drawn_cutouts().all, *odd_shapes()], ids=lambda cutout: cutout.name)
def test_an_object_covers_what_it_must(cutout: Cutout) -> None:
    material = Material(Cutouts((cutout,), None), donors())
    for seed in SEEDS:
        points = STANDING + np.random.default_rng(seed).normal(0, 12, STANDING.shape)
        for level, target in TARGETS:
            attack = Attack(level, "object", target, radius=4.0 + 2 * seed)
            _, found = hidden(attack, seed, points=points, material=material)
            for k in COCO.indices(level, target):
                around = disc((float(points[k, 0]), float(points[k, 1])), attack.radius, SIZE)
                if around is not None:
                    covered = np.zeros(SIZE, bool)
                    for region in found.regions:
                        covered[region.window] |= region.mask
                    assert covered[around.window][around.mask].all(), (target, seed)
                    inside = (points[k] > 0).all() and (np.rint(points[k]) < SIZE[::-1]).all()
                    assert not inside or found.cover(points[[k]]).all()


@pytest.mark.parametrize("cutout", drawn_cutouts().all, ids=lambda cutout: cutout.name)
def test_the_depth_of_an_outline_is_exact(cutout: Cutout) -> None:
    """Down to the last bit: places in it are compared, so that an inexact one would differ from run to run."""
    depth = cutout.sketch.depth
    framed = np.pad(depth > 0, 1)
    outside = np.argwhere(~framed) - 1
    for (y, x), found in np.ndenumerate(depth):
        nearest = ((outside - (y, x)) ** 2).sum(1).min()
        assert found == np.float32(np.sqrt(nearest) - 0.5)


def test_an_object_says_what_it_hides_beyond_the_region() -> None:
    for level, target in TARGETS:
        _, found = hidden(Attack(level, "object", target))
        _, plain = hidden(Attack(level, "blackout", target))
        object_, region = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
        object_[found.regions[0].window] = found.regions[0].mask
        region[plain.regions[0].window] = plain.regions[0].mask
        assert found.regions[0].beyond == (object_ & ~region).sum()


def test_a_donor_is_never_the_same_person_nor_of_the_same_kind() -> None:
    drawn_from: set[int] = set()
    for seed in range(40):
        for level, target in TARGETS:
            image, found = hidden(Attack(level, "person", target), seed, person=2)
            (region,) = found.regions
            colours = np.unique(image[region.window][region.mask])
            assert len(colours) == 1
            drawn_from.add(int(colours[0]) // 10)
    assert drawn_from == {1, 3, 4, 5}  # never 2, who is hidden


def test_a_donor_gives_another_keypoint() -> None:
    """Every donor's keypoints have the colour of their kind around them."""
    kinds = sorted({kind_of(name) for name in COCO.keypoints})
    points = np.stack([12 + 10.0 * np.arange(17), np.full(17, 100.0)], axis=1)

    def view(_: int) -> tuple[np.ndarray, np.ndarray]:
        image = np.zeros((*SIZE, 3), np.uint8)
        for name, (x, y) in zip(COCO.keypoints, points, strict=True):
            image[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] = 20 + kinds.index(kind_of(name))
        return image, points

    others = Donors(COCO, np.array([7]), np.ones((1, 17), bool), view)
    region = disc((50.0, 60.0), 3.0, SIZE)
    assert region is not None
    for seed in range(60):
        patch = others.disc(region, "left_wrist", frozenset(), np.random.default_rng(seed), 1.0)
        assert patch is not None
        assert set(np.unique(patch[region.mask])) <= set(range(20, 20 + len(kinds))) - {20 + kinds.index("wrist")}


def test_without_another_person_nobody_is_hidden() -> None:
    alone = Material(donors=donors(1))
    image, found = hidden(Attack("part", "person", "head"), material=alone)
    assert not found.regions
    assert found.true == 0
    np.testing.assert_array_equal(image, crop())
    with pytest.raises(ValueError, match="needs other persons"):
        hidden(Attack("part", "person", "head"), material=Material())


@pytest.mark.parametrize("radius", [6.0, 9.0, 12.0])
def test_a_small_region_is_inpainted_as_opencv_does(radius: float) -> None:
    image = crop(1)
    for centre in ((100.0, 90.0), (3.0, 4.0), (190.5, 250.0)):
        region = disc(centre, radius, SIZE)
        assert region is not None
        assert region.mask.sum() <= EXACT
        mask = np.zeros(SIZE, np.uint8)
        mask[region.window] = region.mask
        expected = cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)[region.window]
        np.testing.assert_array_equal(inpainted_window(image, region), expected)


@pytest.mark.parametrize("box", [(40, 60, 9, 90), (10, 10, 120, 90), (0, 0, 200, 150), (30, 20, 201, 77)])
def test_nothing_of_a_region_is_left_in_its_inpainting(box: tuple[int, int, int, int]) -> None:
    top, left, rows, columns = box
    region = Region(top, left, np.ones((rows, columns), bool), (0.0, 0.0))
    one, other = crop(1), crop(1)
    other[region.window] = 255 - other[region.window]
    first, second = inpainted_window(one, region), inpainted_window(other, region)
    np.testing.assert_array_equal(first, second)
    known = np.delete(one.reshape(-1, 3), np.ravel_multi_index(np.nonzero(_mask(region)), SIZE), axis=0)
    assert first.min() >= known.min()
    assert first.max() <= known.max()


def _mask(region: Region) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[region.window] = region.mask
    return mask


def test_a_coarse_inpainting_is_near_the_fine_one_where_colours_are_smooth() -> None:
    smooth = cv2.resize(np.random.default_rng(2).integers(60, 200, (4, 3, 3), np.uint8), SIZE[::-1])
    region = Region(60, 40, np.ones((70, 60), bool), (0.0, 0.0))
    expected = cv2.inpaint(smooth, _mask(region).astype(np.uint8), 3, cv2.INPAINT_TELEA)[region.window]
    assert np.abs(inpainted_window(smooth, region).astype(int) - expected).mean() < 8


@pytest.mark.parametrize("fill", WORLD_FILLS)
@pytest.mark.parametrize(("level", "target"), TARGETS)
def test_a_photo_that_is_the_crop_is_painted_as_the_crop(level: str, target: str, fill: str) -> None:
    attack, material = Attack(level, fill, target), Material(donors=donors())
    photo = crop()
    subject = Subject(1, STANDING, np.ones(17, bool), 1.0, mean_colour(photo), SIZE)
    placed = place_in_photo(SIZE, [subject], attack, COCO, 0, material)
    np.testing.assert_array_equal(occlude_photo(photo, [subject], placed, attack), hidden(attack)[0])


@pytest.mark.parametrize("fill", WORLD_FILLS)
def test_a_photo_of_another_scale_hides_the_same_keypoints(fill: str) -> None:
    attack, scale = Attack("part", fill, "left_arm"), 2.5
    photo = cv2.resize(crop(), None, fx=scale, fy=scale)
    size = photo.shape[:2]
    subject = Subject(1, STANDING * scale, np.ones(17, bool), scale, mean_colour(photo), SIZE)
    (placed,) = place_in_photo(size, [subject], attack, COCO, 0, Material(donors=donors()))
    _, in_crop = hidden(attack)
    np.testing.assert_array_equal(placed.cover(STANDING * scale), in_crop.cover(STANDING))
    painted = occlude_photo(photo, [subject], [placed], attack)
    assert (painted != photo).any()


def test_the_drawn_cutouts_are_those_of_the_drawing() -> None:
    stored = {cutout.name: cutout.picture for cutout in drawn_cutouts().all}
    assert stored.keys() == DRAWINGS.keys()
    for name, picture in stored.items():
        again = drawn(name)
        assert again.shape == picture.shape
        visible = picture[..., 3] > 0
        assert np.abs(again[visible].astype(int) - picture[visible]).max() <= 2


def test_a_cutout_without_alpha_or_outline_is_refused() -> None:
    picture = drawn_cutouts().all[0].picture
    with pytest.raises(ValueError, match="RGBA"):
        replace(drawn_cutouts().all[0], picture=picture[..., :3])
    with pytest.raises(ValueError, match="opaque"):
        replace(drawn_cutouts().all[0], picture=np.zeros((5, 5, 4), np.uint8))
