"""Attacked photos that cannot be exported, and commands of scope image that contradict themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from occbench.runs import reseal

from ..command_line import Occbench, assert_refused
from .case import Place, Record, Row
from .test_cases import everything
from .test_runs import said

EXPORT = "Attacked photos (`occbench export --attacked-images`)"
SCOPE = "Scope (`occbench attack --scope`)"


@pytest.fixture
def run(place: Place, occbench: Occbench) -> Path:
    """A finished run of scope image, without its report."""
    answer = occbench(*attack(place), "--scope", "image")
    assert answer.code == 0, answer.err
    return place.folder / "run"


def attack(place: Place) -> list[object]:
    return [
        *(
            "attack",
            "--model",
            place.tiny.config,
            "--checkpoint",
            place.tiny.weights,
            "--data",
            place.people.annotations,
        ),
        *(
            "--images",
            place.people.images,
            "--kind",
            "part-blackout",
            "--target",
            "head",
            "--radius",
            3,
            "--batch-size",
            1,
        ),
        *("--bootstrap", 0, "--out", "run"),
    ]


def change(run: Path, spoil: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest, and seal it, as somebody would who means harm."""
    manifest = json.loads((run / "manifest.json").read_text())
    spoil(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))
    reseal(run)


def of_scope_person(place: Place, run: Path) -> None:
    change(run, lambda manifest: manifest.update(scope="person"))


def without_identity(place: Place, run: Path) -> None:
    change(run, lambda manifest: manifest.update(identity=[1]))


def of_other_persons(place: Place, run: Path) -> None:
    change(run, lambda manifest: manifest["identity"].update(persons_sha256="0" * 64))


def photos_gone(place: Place, run: Path) -> None:
    shutil.rmtree(place.people.images)


def photo_changed(place: Place, run: Path) -> None:
    path = place.people.images / "000001.jpg"
    path.write_bytes(path.read_bytes() + b"\0")


def annotations_changed(place: Place, run: Path) -> None:
    place.people.annotations.write_text(place.people.annotations.read_text() + " ")


def predictions_gone(place: Place, run: Path) -> None:
    next((run / "predictions").glob("part*")).unlink()


def out_taken(place: Place, run: Path) -> None:
    (place.folder / "photos").mkdir()
    (place.folder / "photos" / "mine.txt").write_text("mine")


def out_a_file(place: Place, run: Path) -> None:
    (place.folder / "photos").write_text("mine")


CASES = {
    "a run of scope person": (of_scope_person, "--scope image"),
    "a manifest without an identity": (without_identity, "measure it again"),
    "a manifest of other persons": (of_other_persons, "boxes"),
    "photos that are gone": (photos_gone, "missing"),
    "a photo with one more byte": (photo_changed, "sha256"),
    "annotations with one more space": (annotations_changed, "sha256"),
    "a cell whose predictions are gone": (predictions_gone, "missing or damaged"),
    "a folder with files of others": (out_taken, "is there already"),
    "a file for the folder": (out_a_file, "is there already"),
}


@pytest.mark.parametrize("fed", CASES)
def test_attacked_photos_are_refused(fed: str, run: Path, place: Place, occbench: Occbench, row: Record) -> None:
    spoil, word = CASES[fed]
    spoil(place, run)
    before = everything(place.folder)
    answer = occbench("export", "run", "--attacked-images", "photos", "--model", place.tiny.config)
    assert_refused(answer, word)
    assert everything(place.folder) == before
    row(Row(EXPORT, fed, said(answer, place), 2), (word,))


def test_the_config_of_a_run_is_not_run_unless_it_is_named(
    run: Path, place: Place, occbench: Occbench, row: Record
) -> None:
    """A manifest may come from anywhere, and names a config, which is code."""
    (place.folder / "evil.py").write_text("open('ran', 'w')")
    change(run, lambda manifest: manifest["model"].update(name="evil", config=str(place.folder / "evil.py")))
    answer = occbench("export", "run", "--attacked-images", "photos")
    assert_refused(answer, "--model CONFIG.py")
    assert not (place.folder / "ran").exists()
    fed = "a manifest that names a config with code of its own"
    row(Row(EXPORT, fed, said(answer, place), 2), ("--model",))


OPTIONS = {
    "scope image with protocol thesis": (("--scope", "image", "--protocol", "thesis"), "thesis"),
    "a scope that is none": (("--scope", "photo"), "photo"),
    "redetection with scope person": (("--redetect", "--boxes", "detector:rtmdet"), "--scope image"),
    "redetection with annotated boxes": (("--redetect", "--scope", "image"), "--boxes detector:NAME"),
}


@pytest.mark.parametrize("fed", OPTIONS)
def test_scopes_that_cannot_be_had(fed: str, place: Place, occbench: Occbench, row: Record) -> None:
    options, word = OPTIONS[fed]
    arguments = [*attack(place), *options]
    before = everything(place.folder)
    answer = occbench(*arguments)
    assert_refused(answer, word)
    assert everything(place.folder) == before
    row(Row(SCOPE, fed, said(answer, place), 2), (word,))
