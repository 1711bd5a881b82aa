"""`occbench check` on what other tools export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..command_line import Occbench
from .case import Arguments, Place, Record, Row, normalised
from .check_cases import CHECKED

GROUP = "Annotations of other tools (`occbench check`)"


@pytest.mark.parametrize(("fed", "spoil", "code"), [pytest.param(*case, id=case[0]) for case in CHECKED])
def test_a_check_says_what_is_the_matter(
    fed: str,
    spoil: Callable[[Place], Arguments],
    code: int,
    place: Place,
    occbench: Occbench,
    row: Record,
    folders: Callable[[], list[Path]],
) -> None:
    spoil(place)
    answer = occbench("check", place.people.annotations)
    assert (answer.code, answer.err) == (code, "")
    first, *_, last = answer.out.splitlines()
    assert first.split()[0] in ("error", "warning", "note")
    assert "persons to measure on" in last
    row(Row(GROUP, fed, normalised(first, folders()), code), (first.split()[0],))
