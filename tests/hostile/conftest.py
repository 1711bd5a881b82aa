"""Where a case does its harm, and where the rows of docs/hostile-input.md go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ..command_line import TinyModel
from .case import ROWS, Place, Record, Row
from .table import assert_up_to_date


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Where a case does its harm."""
    return Place(tmp_path, request)


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Record:
    """Record a row of the table; it must stand in the document as it came out."""
    rows = request.config.stash.get(ROWS, None)

    def record(row: Row, words: Sequence[str] = ()) -> None:
        if rows is None:
            assert_up_to_date(row, words)
        else:  # the table is being written
            rows.append(row)

    return record


@pytest.fixture
def folders(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], list[Path]]:
    """Folders of this machine that a message may name."""

    def known() -> list[Path]:
        if "tiny" not in request.fixturenames:
            return [tmp_path]
        model: TinyModel = request.getfixturevalue("tiny")
        return [tmp_path, model.config.parent]

    return known
