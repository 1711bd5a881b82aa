"""What decides a result decides its key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from occbench.attacks import Attack, Placement
from occbench.data.coco import read_coco
from occbench.runs.identity import cell_identity, changes, key_of, persons_sha256, photos_sha256

from ..command_line import People

CONTEXT = {"weights_sha256": "a" * 64, "model": {"flip": True}, "batch_size": 16}


def test_the_key_is_of_the_content_alone() -> None:
    assert key_of({"a": 1, "b": {"c": 2.5}}) == key_of({"b": {"c": 2.5}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert len(key_of(CONTEXT)) == 64


def test_every_part_of_an_attack_decides() -> None:
    attack = Attack("keypoint", "blur", "nose")
    others = [
        None,
        replace(attack, fill="blackout"),
        replace(attack, target="left_eye"),
        replace(attack, radius=6.5),
        replace(attack, placement=Placement("jittered")),
    ]
    keys = {key_of(cell_identity(CONTEXT, other, 0)) for other in (attack, *others)}
    assert len(keys) == 6


def test_the_seed_decides_where_places_are_drawn_and_nowhere_else() -> None:
    centred, drawn = Attack("part", "blur", "head"), Attack("part", "blur", "head", placement=Placement("decoys", 2))
    assert cell_identity(CONTEXT, centred, 1) == cell_identity(CONTEXT, centred, 2)
    assert cell_identity(CONTEXT, drawn, 1) != cell_identity(CONTEXT, drawn, 2)


def test_decoys_in_photos_are_others_than_before_they_spared_the_neighbours() -> None:
    centred, drawn = Attack("part", "blur", "head"), Attack("part", "blur", "head", placement=Placement("placebo"))
    photo = {**CONTEXT, "scope": "image"}
    assert "neighbours" not in cell_identity(CONTEXT, drawn, 0)
    assert "neighbours" not in cell_identity(photo, centred, 0)
    before = cell_identity(photo, drawn, 0)
    del before["neighbours"]
    (change,) = changes(before, cell_identity(photo, drawn, 0))
    assert change.startswith("another rule for decoys in photos")


def test_changes_are_said_in_words() -> None:
    new = {"weights_sha256": "b" * 64, "model": {"flip": True}, "batch_size": 8, "seed": 3}
    assert changes(CONTEXT, new) == [
        "other weights (weights_sha256 aaaaaaaa, now bbbbbbbb)",
        "batch_size 16, now 8",
        "another seed (seed None, now 3)",
    ]
    assert changes(CONTEXT, dict(CONTEXT)) == []


def test_a_byte_of_a_photo_decides(people: People) -> None:
    dataset = read_coco(people.annotations, people.images)
    before = photos_sha256(dataset.photos.values())
    assert before == photos_sha256(reversed(dataset.photos.values()))
    path = next(iter(dataset.photos.values())).path
    path.write_bytes(path.read_bytes() + b" ")
    assert photos_sha256(dataset.photos.values()) != before


def test_a_box_or_a_keypoint_decides(people: People) -> None:
    dataset = read_coco(people.annotations, people.images)
    before = persons_sha256(dataset)
    first, *others = dataset.persons
    moved = first.box + np.float32(1e-3)
    hidden = np.where(np.arange(17) == 0, 0, first.visibility)
    for changed in (replace(first, box=moved), replace(first, visibility=hidden), replace(first, score=0.5)):
        assert persons_sha256(replace(dataset, persons=(changed, *others))) != before
    assert persons_sha256(replace(dataset, persons=(replace(first, box=first.box.copy()), *others))) == before


def test_paths_do_not_decide(people: People, tmp_path: Path) -> None:
    dataset = read_coco(people.annotations, people.images)
    people.images.rename(tmp_path / "moved")
    again = read_coco(people.annotations, tmp_path / "moved")
    assert photos_sha256(again.photos.values()) == photos_sha256(again.photos.values())
    assert persons_sha256(again) == persons_sha256(dataset)
