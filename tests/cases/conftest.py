"""A small data set that is right, with results that are right, for each case to spoil as somebody's tool did."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..command_line import Answer, Occbench, People

Content = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Three photos and seven persons in the current folder, and results that find them all within a pixel.

    Attributes:
        people: Annotations and photos.
        run: The command line.
        folder: Where both lie.
    """

    people: People
    run: Occbench
    folder: Path

    @property
    def content(self) -> Content:
        """The annotations."""
        content: Content = json.loads(self.people.annotations.read_text(encoding="utf-8-sig"))
        return content

    def write(self, content: object, encoding: str = "utf-8") -> None:
        """Write the annotations anew."""
        self.people.annotations.write_text(json.dumps(content), encoding=encoding)

    def change(self, change: Callable[[Content], object]) -> None:
        """Change the annotations."""
        content = self.content
        change(content)
        self.write(content)

    def each(self, change: Callable[[Content], object]) -> None:
        """Change every person."""
        self.change(lambda content: [change(a) for a in content["annotations"]])

    def results(self, change: Callable[[Content], object] = lambda one: None, name: str = "results.json") -> Path:
        """Write results, each of them changed; of the annotations as they are now."""
        found = results_of(self.content)
        for one in found:
            change(one)
        path = self.folder / name
        path.write_text(json.dumps(found))
        return path

    def evaluate(self, *options: object, data: object = None, results: object = "results.json") -> Answer:
        """Score the results."""
        given = ("--data", data or self.people.annotations, "--predictions", results, "--bootstrap", 0, "--json")
        return self.run("evaluate", *given, *options)

    def check(self, *options: object, data: object = None) -> Answer:
        """Check the annotations."""
        return self.run("check", data or self.people.annotations, *options)


def results_of(content: Content) -> list[Content]:
    """Everybody found within a pixel, surely."""
    rng = np.random.default_rng(0)
    found = []
    for number, person in enumerate(content["annotations"]):
        points = np.array(person["keypoints"], dtype=float).reshape(-1, 3)
        points[:, :2] += rng.uniform(-0.5, 0.5, (len(points), 2))
        points[:, 2] = 0.9
        found.append(
            {
                "image_id": person["image_id"],
                "category_id": person["category_id"],
                "keypoints": points.round(2).ravel().tolist(),
                "score": 0.9 - 0.01 * number,
            }
        )
    return found


@pytest.fixture
def place(people: People, occbench: Occbench, tmp_path: Path) -> Place:
    """Where a case happens."""
    made = Place(people, occbench, tmp_path)
    made.results()
    return made


def overall(answer: Answer) -> Content:
    """The row of all keypoints, the last one."""
    rows: list[Content] = json.loads(answer.out)
    return [row for row in rows if row["keypoint"] == "all"][-1]


def finding(answer: Answer, *words: str) -> str:
    """The one line of a check that has the words in it."""
    lines = [line for line in answer.out.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, answer
    return lines[0]
