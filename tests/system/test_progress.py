"""A bar on a terminal; elsewhere a line a minute, as text or as JSON; nothing where nothing is wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from occbench.system import progress as module
from occbench.system.progress import Progress, in_words


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds since some time, to be set."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def steps(progress: Progress, clock: list[float], seconds: int, each: int = 10) -> None:
    with progress.stage("crops", 6000, "85 cells") as advance:
        for _ in range(seconds):
            clock[0] += 1
            advance(each)


def test_a_line_a_minute_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    steps(Progress(), clock, 59)
    assert capsys.readouterr().err == ""
    steps(Progress(), clock, 185)
    assert capsys.readouterr().err.splitlines() == [
        "occbench: crops 600 of 6,000 in 85 cells (10 %), 9.83/s, 9 min left",
        "occbench: crops 1,200 of 6,000 in 85 cells (20 %), 10/s, 8 min left",
        "occbench: crops 1,800 of 6,000 in 85 cells (30 %), 10/s, 7 min left",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    steps(Progress(as_json=True), clock, 121)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["done"] == 600
    same = {"stage": "crops", "of": 6000, "among": "85 cells"}
    assert second == {**same, "done": 1200, "seconds": 120, "rate": 10.0, "left": 480}


def test_quiet(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    steps(Progress(False), clock, 200)
    steps(Progress(False, as_json=True), clock, 200)
    heard = capsys.readouterr()
    assert (heard.out, heard.err) == ("", "")


def test_what_was_done_before_is_nobodys_rate(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Progress().stage("training", 6000) as advance:
        advance(3000)
        clock[0] += 60
        advance(60)
    assert capsys.readouterr().err == "occbench: training 3,060 of 6,000 (51 %), 1/s, 49 min left\n"


def test_a_stage_that_does_not_move_has_no_end(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Progress().stage("training", 10) as advance:
        clock[0] += 61
        advance(0)
    assert capsys.readouterr().err == "occbench: training 0 of 10 (0 %), 0/s\n"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 00 min"), (11100, "3 h 05 min")]
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
