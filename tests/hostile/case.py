"""A hostile input: what is fed to which command, and the words of the one line that answers it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from ..command_line import People, TinyModel

Content = dict[str, Any]
Arguments = Sequence[object]


@dataclass(frozen=True)
class Place:
    """Where a case does its harm: a folder of its own, which is the current one.

    Attributes:
        folder: The folder.
        request: To ask for what only some cases need.
    """

    folder: Path
    request: pytest.FixtureRequest

    @cached_property
    def people(self) -> People:
        """Three photos and seven persons, to spoil."""
        people: People = self.request.getfixturevalue("people")
        return people

    @cached_property
    def tiny(self) -> TinyModel:
        """A model that works; not to be changed."""
        tiny: TinyModel = self.request.getfixturevalue("tiny")
        return tiny

    def photo(self, number: int = 1) -> Path:
        """The file of a photo, without it."""
        path = self.people.images / f"{number:06d}.jpg"
        path.unlink()
        return path

    def change(self, spoil: Callable[[Content], object]) -> None:
        """Rewrite the annotations; NaN and infinity as Python spells them."""
        content = json.loads(self.people.annotations.read_text())
        spoil(content)
        self.people.annotations.write_text(json.dumps(content))

    def attack(self, *options: object) -> Arguments:
        """An attack on the people that ends, if nothing is wrong with them, for want of weights."""
        data = ("--data", self.people.annotations, "--images", self.people.images)
        return ("attack", "--model", "tinypose-128x96", "--kind", "all", *data, "--out", "run", *options)

    def attack_with(self, model: object = None, weights: object = None, *options: object) -> Arguments:
        """An attack that works, if nothing is wrong with the model and its weights."""
        given = ("--model", model or self.tiny.config, "--checkpoint", weights or self.tiny.weights)
        data = ("--data", self.people.annotations, "--images", self.people.images)
        suite = ("--kind", "keypoint-blackout", "--target", "nose", "--bootstrap", 0)
        return ("attack", *given, *data, *suite, "--device", "cpu", "--out", "run", *options)

    def evaluate(self, results: object) -> Arguments:
        """An evaluation of results."""
        (self.folder / "results.json").write_text(json.dumps(results))
        return ("evaluate", "--data", self.people.annotations, "--predictions", "results.json", "--bootstrap", 0)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        fed: What is fed, in words; a row's name.
        spoil: Prepares it, and gives the command line.
        words: Some of the answer's.
        code: Exit code.
        proof: Looks at what the command did, or did not do.
    """

    fed: str
    spoil: Callable[[Place], Arguments]
    words: tuple[str, ...]
    code: int = 2
    proof: Callable[[Place], None] = lambda place: None


@dataclass(frozen=True)
class Row:
    """One row of the table as it came out.

    Attributes:
        group: Heading that it stands under.
        fed: What was fed.
        answered: What the command line said, or did.
        code: Exit code.
        said: Whether ``answered`` is the program's own line, or describes what it did.
    """

    group: str
    fed: str
    answered: str
    code: int
    said: bool = True

    def markdown(self) -> str:
        """The row as a line of the table."""
        answered = html.escape(self.answered, quote=False).replace("|", "&#124;")
        fed = html.escape(self.fed, quote=False).replace("|", "&#124;")
        return f"| {fed} | {f'<code>{answered}</code>' if self.said else answered} | {self.code} |"


Record = Callable[..., None]
ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()
"""Where a session that writes the table keeps its rows."""


def normalised(line: str, folders: Sequence[Path]) -> str:
    """A line without the folders of this machine and the name of the program; where it is cut depends on those folders.

    So what is said over and over, up to the cut, is said once.
    """
    for folder in folders:
        line = line.replace(f"{folder}/", "").replace(str(folder), ".")
    line = re.sub(r"(\w+/|\w)\1{30,}\w{0,9}(?=\.\.\.)", r"\1", line)
    return line.removeprefix("occbench: ").strip()
