"""Every command of docs/own-data.md, in its order, on the description that the page shows."""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import Occbench, People
from .own_data import own_set

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
SHORT = {"--epochs": "1", "--batch-size": "2"}
"""What takes days in earnest."""
MORE = {"train": ["--workers", "0"], "attack": ["--bootstrap", "50"]}
"""What costs no more than it must, by command."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    found = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert all(words[0] == "occbench" for words in found)
    return [[SHORT.get(before, word) for before, word in pairwise(words)] for words in found]


@pytest.mark.usefixtures("with_report")
@pytest.mark.timeout(900)
def test_the_page_goes_through(people: People, occbench: Occbench, tmp_path: Path) -> None:
    own_set(tmp_path / "cranes", people).unlink()
    (described,) = blocks("yaml")
    (tmp_path / "cranes" / "val.yaml").write_text(described)
    (tmp_path / "cranes" / "train.yaml").write_text(described.replace("val.json", "train.json"))
    annotations = tmp_path / "cranes" / "annotations"
    shutil.copy(annotations / "val.json", annotations / "train.json")
    given = commands()
    assert {words[0] for words in given} == {"train", "attack", "verify", "report", "compare", "export", "evaluate"}
    for words in given:
        answer = occbench(*words, *MORE.get(words[0], ()))
        assert answer.code == 0, (words, answer.err)
        if words[0] == "attack":
            assert "nothing left to lose" in answer.out  # nobody learns twelve keypoints in an epoch of seven persons
    page = (tmp_path / "runs" / "plain" / "report.html").read_text()
    assert "There is nothing left to lose" in page
    assert "can be told from zero" not in page.partition("<section")[0]
    assert "left_wing_tip" in answer.out
