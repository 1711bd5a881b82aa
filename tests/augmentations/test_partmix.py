"""PartMix: whose parts cover whose, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from occbench.attacks import COCO, Attack, Occluders, place
from occbench.augmentations import PartMix
from occbench.augmentations.bank import Donor, DonorBank
from occbench.augmentations.partmix import PARTS
from occbench.system.errors import OccbenchError

from ..attacks.people import EVERYTHING, SIZE, STANDING, person
from .samples import Crowd, apply, changed, only, photo, sample

Drawn = list[tuple[str, frozenset[int], Donor]]


@pytest.fixture
def crowd(tmp_path: Path) -> Crowd:
    """Eight persons; the first is the one of the samples."""
    rng = np.random.default_rng(5)
    labelled = rng.random((8, 17)) < 0.9
    labelled[0] = True
    labelled[1] = only("head")
    labelled[2] = False
    return Crowd(tmp_path, labelled)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What is drawn from the bank: the part to cover, whose own parts are left out, and the donor."""
    seen: Drawn = []
    real = DonorBank.draw

    def draw(self: DonorBank, part: str, own: frozenset[int], rng: np.random.Generator) -> Donor | None:
        donor = real(self, part, own, rng)
        if donor is not None:
            seen.append((part, own, donor))
        return donor

    monkeypatch.setattr(DonorBank, "draw", draw)
    return seen


def kind(part: str) -> str:
    return part.split("_")[-1]


def crop_of(path: Path, bbox: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A person's crop and keypoints by MMPose's own test pipeline."""
    from mmengine.dataset import Compose

    import occbench.augmentations  # noqa: F401

    steps = [{"type": "LoadImage"}, {"type": "GetBBoxCenterScale"}, {"type": "TopdownAffine", "input_size": SIZE[::-1]}]
    from mmpose.registry import TRANSFORMS

    given: dict[str, Any] = {"img_path": str(path), "bbox": bbox, "keypoints": STANDING[None].astype(np.float32)}
    done = Compose([TRANSFORMS.build(step) for step in steps])(given)
    return done["img"], done["transformed_keypoints"][0].astype(np.float64)


def test_a_donor_is_another_persons_part_of_another_kind(crowd: Crowd, drawn: Drawn) -> None:
    transform = PartMix(p=1)
    given = sample(dataset=crowd)
    for seed in range(150):
        apply(transform, given, seed)
    assert len(drawn) == 150
    for part, own, donor in drawn:
        assert kind(donor.part) != kind(part)
        assert own == {1}
        assert donor.person != 1
        assert crowd.labelled[donor.person - 1][COCO.indices("part", donor.part)].all()
    assert {part for part, *_ in drawn} == set(PARTS)
    assert {donor.person for *_, donor in drawn} == {i + 1 for i in range(1, 8) if i != 2}
    assert len({(part, donor.part) for part, _, donor in drawn}) > 15
    assert len(crowd.read) == 8  # each photo's annotation once: no more reading once the bank is full


def test_the_region_is_the_attacks_and_the_donor_is_resized_to_it(crowd: Crowd, drawn: Drawn) -> None:
    transform = PartMix(p=1)
    for seed in range(30):
        points, labelled = person(np.random.default_rng(seed))
        given = sample(points, labelled | only("left_leg", "head"), dataset=crowd)
        out = apply(transform, given, seed)
        mask = changed(given, out)
        if not mask.any():
            continue
        part, _, donor = drawn[-1]
        attack = Attack("part", "meanout", part)
        shown = given["transformed_keypoints"][0].astype(float)
        (region,) = place(
            attack, COCO, shown, given["keypoints_visible"][0] > 0, SIZE, "corrected", np.random.default_rng(0)
        ).regions
        expected = given["img"].copy()
        rows, columns = region.mask.shape
        expected[region.window] = cv2.resize(donor.patch, (columns, rows), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(out["img"], expected)
        assert out["keypoints_visible"] is given["keypoints_visible"]
    assert len(drawn) >= 25


def test_a_donors_patch_is_its_part_in_the_persons_own_crop(crowd: Crowd, drawn: Drawn) -> None:
    transform = PartMix(p=1)
    for seed in range(6):
        apply(transform, sample(dataset=crowd), seed)
    for _, _, donor in drawn:
        index = donor.person - 1
        image, points = crop_of(crowd.paths[index], crowd.get_data_info(index)["bbox"])
        x1, y1 = points[COCO.indices("part", donor.part)].min(0) - 6
        x2, y2 = points[COCO.indices("part", donor.part)].max(0) + 6
        rows = [y for y in range(SIZE[0]) if y1 <= y <= y2]
        columns = [x for x in range(SIZE[1]) if x1 <= x <= x2]
        np.testing.assert_array_equal(donor.patch, image[np.ix_(rows, columns)])


def test_only_parts_with_every_keypoint_labelled_are_covered(crowd: Crowd, drawn: Drawn) -> None:
    transform = PartMix(p=1)
    rng = np.random.default_rng(7)
    untouched = 0
    for seed in range(80):
        labelled = rng.random(17) < 0.7
        given = sample(labelled=labelled, dataset=crowd)
        before = len(drawn)
        out = apply(transform, given, seed)
        whole = [part for part in PARTS if labelled[COCO.indices("part", part)].all()]
        assert len(drawn) - before == bool(whole)
        assert changed(given, out).any() == bool(whole)
        if whole:
            assert drawn[-1][0] in whole
        untouched += not whole
    assert untouched >= 5


def test_removal_takes_exactly_the_covered_labels_and_adds_none(crowd: Crowd) -> None:
    removed = 0
    for seed in range(25):
        labelled = only("head", "left_arm", "right_leg") if seed % 2 else EVERYTHING
        given = sample(labelled=labelled, dataset=crowd)
        out = apply(PartMix(p=1, removal=True, decoys=seed % 3), given, seed)
        x, y = np.rint(STANDING).astype(int).T
        covered = changed(given, out)[y, x]
        np.testing.assert_array_equal(out["keypoints_visible"][0], labelled & ~covered)
        removed += int((labelled & covered).sum())
    assert removed >= 50


def test_decoys_have_donors_of_their_own(crowd: Crowd, drawn: Drawn) -> None:
    given = sample(dataset=crowd)
    transform = PartMix(p=1, decoys=3, parts=("head", "left_arm"))
    regions: list[int] = []
    for seed in range(12):
        drawn.clear()
        _, occluders = _hide(transform, given, seed)
        assert len(drawn) == len(occluders.regions)
        assert len({part for part, *_ in drawn}) == 1
        regions.append(len(occluders.regions))
    assert max(regions) == 4


def _hide(transform: PartMix, given: dict[str, Any], seed: int) -> tuple[np.ndarray, Occluders]:
    from occbench.augmentations.occlusion import people_of

    return transform.hide(given["img"], people_of(given)[0], given, np.random.default_rng(seed))


def test_bottom_up_no_one_of_the_photo_gives_parts(crowd: Crowd, drawn: Drawn) -> None:
    small = [((STANDING - [96, 128]) * 0.3 + [40 + 55 * n, 60 + 60 * (n % 2)], EVERYTHING) for n in range(3)]
    given = photo(small, dataset=crowd, id=[1, 4, 5])
    chosen = set()
    transform = PartMix(p=0.5, radius=2)
    for seed in range(40):
        before = len(drawn)
        out = apply(transform, given, seed)
        chosen.add(len(drawn) - before)
        assert changed(given, out).any() == (len(drawn) > before)
    assert chosen == {0, 1, 2, 3}
    assert all(own == {1, 4, 5} and donor.person not in own for _, own, donor in drawn)


def test_with_nobody_to_give_a_part_the_person_stays_untouched(tmp_path: Path) -> None:
    alone = Crowd(tmp_path, np.stack([EVERYTHING]))
    given = sample(dataset=alone)
    assert apply(PartMix(p=1), given)["img"] is given["img"]
    (tmp_path / "heads").mkdir()
    heads = Crowd(tmp_path / "heads", np.stack([EVERYTHING, only("head")]))
    given = sample(labelled=only("head"), dataset=heads)
    assert apply(PartMix(p=1), given)["img"] is given["img"]  # another head is of the same kind


def test_the_bank_is_bounded_and_takes_turns(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, np.ones((12, 17), bool))
    transform = PartMix(p=1, bank=4)
    members = []
    for epoch in (0, 1, 50, 100):
        given = sample(dataset=crowd, draw_seed=3, draw_epoch=epoch)
        apply(transform, given, epoch)
        assert transform._filled is not None
        members.append([donors[0].person for donors in transform._filled[1].persons])
    assert all(len(persons) == 4 for persons in members)
    assert members[0] == members[1]  # 12 samples an epoch: 400 are to be served before others take their turn
    assert len({tuple(persons) for persons in members}) == 3
    again = PartMix(p=1, bank=4)
    apply(again, sample(dataset=crowd, draw_seed=3, draw_epoch=100), 9)
    assert again._filled is not None
    assert [donors[0].person for donors in again._filled[1].persons] == members[-1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: PartMix(p=2), "p of PartMix must be from 0 to 1", id="p"),
        pytest.param(lambda: PartMix(bank=1), "at least 2 persons", id="bank"),
        pytest.param(lambda: PartMix(parts=("tail",)), "unknown part 'tail'", id="part"),
        pytest.param(lambda: apply(PartMix(p=1), sample()), "reach the data set", id="no data set"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make: Any, words: str) -> None:
    with pytest.raises(OccbenchError, match=words):
        make()
