"""Run folders that are somebody else's, damaged or in use, and commands that are stopped while they write."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from occbench.runs.durable import TEMPORARY

from ..command_line import Answer, Occbench, assert_refused
from .case import Place, Record, Row, normalised
from .test_names import Page

GROUP = "Run folders (`occbench attack --out`)"
STOPPED = "Signals"
FLIPPED = "One flipped byte (`occbench verify`)"
MANIFESTS = "Manifests that are none (`occbench attack`, `verify`, `report`, `export`)"


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    """The command line's answer to SIGTERM is not for the tests after it."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def said(answer: Answer, place: Place) -> str:
    """The answer without what differs from machine to machine."""
    line = normalised(answer.err.splitlines()[-1], [place.folder]).replace(platform.node(), "HOST")
    line = re.sub(r"process \d+", "process 123", line)
    return re.sub(r"\b[0-9a-f]{8,64}\b", "81c58e40", line)


def files(run: Path) -> dict[str, bytes]:
    """What of a run is the same whenever the same command is given."""
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.stem != "manifest"}


# --- folders that are taken -------------------------------------------------------------------------------------------


def newer(run: Path) -> None:
    """A run of a later version."""
    (run / "manifest.json").write_text('{"schema": 99, "occbench": "9.0"}')


def older(run: Path) -> None:
    """A run of the first version."""
    (run / "manifest.json").write_text('{"schema": 1, "occbench": "0.0.1"}')


def of_a_browser(run: Path) -> None:
    """Another program's folder with a manifest.json."""
    (run / "manifest.json").write_text('{"manifest_version": 3, "name": "an extension"}')


def home(run: Path) -> None:
    """Somebody's work."""
    (run / "thesis.tex").write_text("years of work")


def lock(run: Path, host: str, since: float) -> None:
    """A lock whose owner has ended, as it was left."""
    (run / "manifest.json").write_text(json.dumps({"schema": 2, "occbench": "0", "complete": False, "choices": {}}))
    (run / ".lock").write_text(json.dumps({"pid": 4, "host": host, "since": since}))


TAKEN: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a run of a later version": (newer, ("has schema 99", "use occbench 9.0 or newer")),
    "a run of the first version": (older, ("a run of an old occbench", "--overwrite")),
    "another program's folder": (home, ("holds files that are no run of occbench",)),
    "another program's folder with a manifest.json": (of_a_browser, ("holds files that are no run of occbench",)),
    "a file": (lambda run: (run.rmdir(), run.touch()), ("is a file; give a folder",)),
    "a run that another machine is at": (lambda run: lock(run, "node7", time.time() - 7200), ("--take-over",)),
    "the same, by a clock that is a day ahead": (lambda run: lock(run, "node7", time.time() + 86400), ("0 seconds",)),
}


@pytest.mark.parametrize("fed", TAKEN)
def test_a_folder_that_is_taken_stays_as_it_is(fed: str, place: Place, occbench: Occbench, row: Record) -> None:
    make, words = TAKEN[fed]
    run = place.folder / "run"
    run.mkdir()
    make(run)
    command = place.attack_with()
    before = {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()}
    answer = occbench(*command)
    assert_refused(answer, *words)
    assert {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()} == before
    row(Row(GROUP, fed, said(answer, place), answer.code), words)


def test_of_two_commands_at_once_the_second_waits_for_nobody(place: Place, occbench: Occbench, row: Record) -> None:
    run = place.folder / "run"
    run.mkdir()
    handle = os.open(run / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as another process would hold it
        os.write(handle, json.dumps({"pid": 4, "host": platform.node(), "since": time.time() - 600}).encode())
        answer = occbench(*place.attack_with())
        assert_refused(answer, "is being written by process 4", "for 10 minutes", "wait for it")
        assert sorted(run.iterdir()) == [run / ".lock"]
        row(Row(GROUP, "a run that another process is at", said(answer, place), answer.code), ["is being written by"])
    finally:
        os.close(handle)


def test_another_model_is_another_run(place: Place, occbench: Occbench, row: Record) -> None:
    assert occbench(*place.attack_with()).code == 0
    before = files(place.folder / "run")
    shutil.copy(place.tiny.config, place.folder / "other.py")
    answer = occbench(*place.attack_with("other.py"))
    assert_refused(answer, "holds another run already")
    assert files(place.folder / "run") == before
    row(Row(GROUP, "a run of another model", said(answer, place), answer.code), ["holds another run already"])


def test_a_clock_that_runs_backwards_changes_nothing(
    place: Place, occbench: Occbench, row: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert occbench(*place.attack_with()).code == 0
    before = files(place.folder / "run")
    shutil.rmtree(place.folder / "run")
    now = [time.time()]

    def backwards() -> float:
        now[0] -= 3600
        return now[0]

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", backwards)
        answer = occbench(*place.attack_with())
    assert (answer.code, answer.err) == (0, "")
    assert now[0] < time.time() - 3000  # somebody looked
    assert files(place.folder / "run") == before
    for path in (place.folder / "run").rglob("*"):
        os.utime(path, (0, 0))  # files of 1970
    assert occbench(*place.attack_with()).err.endswith("2 of 2 cells are there already\n")
    row(Row(GROUP, "a clock that runs backwards", "the same files; a run of 1970 is gone on with", 0, said=False))


# --- stopped while it writes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_a_file_is_written(
    name: str,
    code: int,
    place: Place,
    occbench: Occbench,
    row: Record,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The signal comes when a file is written but has no name yet: at every third write of a run in turn."""
    command = place.attack_with()
    replace, count = os.replace, {"writes": 0, "stop at": 0}

    def counted(*names: Path) -> None:
        count["writes"] += 1
        if count["writes"] == count["stop at"]:
            signal.raise_signal(getattr(signal, name))
        replace(*names)

    monkeypatch.setattr(os, "replace", counted)
    if name == "SIGINT":  # which a test runner may have turned off in its processes
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    assert occbench(*command).code == 0
    undisturbed, total = files(place.folder / "run"), count["writes"]
    assert total > 5
    for at in [*range(1 if code == 130 else 2, total, 3), total]:
        shutil.rmtree(place.folder / "run", ignore_errors=True)
        count |= {"writes": 0, "stop at": at}
        answer = occbench(*command)
        assert answer.code == code
        assert answer.err.splitlines()[-1] == f"occbench: {'interrupted' if code == 130 else 'terminated'}"
        left = [path.name for path in place.folder.rglob("*")]
        assert not [path for path in left if path.startswith(TEMPORARY)]
        assert ".lock" not in left
    row(
        Row(
            STOPPED,
            f"{name} at every third write of a run in turn",
            answer.err.splitlines()[-1].removeprefix("occbench: "),
            code,
        )
    )
    count["stop at"] = 0
    assert occbench(*command).code == 0  # after the signal at the last write
    assert files(place.folder / "run") == undisturbed


# --- damaged ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The run that the first test of this module makes, for those after it."""
    return []


@pytest.fixture
def run(
    sealed: list[Path], place: Place, with_report: None, occbench: Occbench, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of a finished run, with its report, to spoil; its data stay where they are."""
    if not sealed:
        folder = tmp_path_factory.mktemp("sealed")
        shutil.copytree(place.people.annotations.parent, folder / "people")
        data = ("--data", folder / "people" / place.people.annotations.name, "--images", folder / "people" / "images")
        assert occbench(*place.attack_with(None, None, *data, "--out", folder / "run")).code == 0
        sealed.append(folder / "run")
    shutil.copytree(sealed[0], place.folder / "run")
    return place.folder / "run"


FILES = (
    "cells.csv",
    "persons.parquet",
    "predictions/*.parquet",
    "scores/*.json",
    "report.html",
    "plots/*.svg",
    "examples/*",
)


@pytest.mark.parametrize("pattern", [*FILES, "manifest.json"])
def test_one_flipped_byte_is_found(pattern: str, run: Path, occbench: Occbench, row: Record) -> None:
    path = sorted(run.glob(pattern))[0]
    data = path.read_bytes()
    for at in (0, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        answer = occbench("verify", run)
        name = path.relative_to(run).as_posix()
        if pattern == "manifest.json":
            assert answer.code in (2, 3), answer
            assert "manifest.json" in answer.out + answer.err
            continue
        assert (answer.code, answer.err) == (3, "")
        assert answer.out.splitlines()[1:] == [f"  {name} was changed"]
    shown = "it was changed, or cannot be read" if pattern == "manifest.json" else "it was changed"
    row(Row(FLIPPED, pattern, f"said which file, and that {shown}", 3, said=False))


BROKEN = {
    "0 bytes": b"",
    "half of one": b'{"schema": 2, "occbench": "0.1.0", "comp',
    "a list": b"[1, 2]",
    "100,000 lists in each other": b"[" * 100_000,
    "a schema that is text": b'{"schema": "two", "occbench": "0.1.0"}',
    "a schema of -1": b'{"schema": -1, "occbench": "0.1.0", "complete": true}',
    "nothing but a schema": b'{"schema": 2, "occbench": "0.1.0"}',
    "fields of other types": b'{"schema": 2, "occbench": 1, "complete": "yes", "seal": [1], "cells": 5, "model": []}',
    "a photo": b"\xff\xd8\xff\xe0",
}


@pytest.mark.parametrize("fed", BROKEN)
def test_a_manifest_that_is_none_is_one_line(
    fed: str, run: Path, place: Place, occbench: Occbench, row: Record
) -> None:
    (run / "manifest.json").write_bytes(BROKEN[fed])
    before = files(run)
    lines = []
    for command in (
        place.attack_with(),
        ("verify", run),
        ("report", run),
        ("export", run, "--format", "csv", "--out", "x"),
    ):
        answer = occbench(*command)
        assert_refused(answer)
        lines.append(said(answer, place))
    assert files(run) == before
    assert not (place.folder / "x").exists()
    row(Row(MANIFESTS, fed, lines[1], 2))


# --- of somebody else -------------------------------------------------------------------------------------------------

MARKUP = "<script>alert('x')</script>"


@pytest.mark.usefixtures("with_figures")
def test_the_report_of_somebodys_run_is_text(run: Path, place: Place, occbench: Occbench, row: Record) -> None:
    """Names in its manifest and tables are markup, and the pictures of its examples lie elsewhere."""
    plain = Page((run / "report.html").read_text())
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["model"]["name"] = manifest["data"]["name"] = MARKUP
    manifest["command"] = ["occbench", MARKUP]
    manifest["occbench"] = manifest["versions"]["torch"] = manifest["created"] = MARKUP
    (run / "manifest.json").write_text(json.dumps(manifest))
    cells = (run / "cells.csv").read_text()
    (run / "cells.csv").write_text(cells.replace(",annotations,", f',"{MARKUP}",').replace("tiny,", f'"{MARKUP}",'))
    examples = run / "examples" / "examples.json"
    entries = json.loads(examples.read_text())
    assert entries
    shutil.copy(place.people.images / "000000.jpg", place.folder / "secret.jpg")
    for entry in entries:
        entry |= {"image": MARKUP, "clean": "../../secret.jpg", "attacked": str(place.folder / "secret.jpg")}
    examples.write_text(json.dumps(entries))
    answer = occbench("report", run)
    assert (answer.code, answer.err) == (0, "")
    page = Page((run / "report.html").read_text())
    assert MARKUP in page.text
    assert page.scripts == plain.scripts
    assert page.elements.get("script") == plain.elements.get("script")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert len([1 for name, _ in page.attributes if name == "src"]) < len(
        [1 for n, _ in plain.attributes if n == "src"]
    )
    told = "reported; the names are text, the pictures are not shown"
    row(Row(GROUP, "names with script tags and pictures outside of the run, to `occbench report`", told, 0, said=False))
