"""Programs and folders of results as estimators."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from occbench.estimators.outside import Given, Program, Request
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    photos = tmp_path / "photos"
    photos.mkdir()
    return Request("clean", photos, tmp_path / "annotations.json", tmp_path / "results.json", tmp_path)


def python(code: str, limit: float = 60) -> Program:
    words = code.replace("'", '"')
    return Program(f"{sys.executable} -c '{words}' {{photos}} {{annotations}} {{out}}", limit)


def test_a_program_is_called_with_its_places_and_remembered(request_of: Request) -> None:
    program = python("import sys; open(sys.argv[3], 'w').write(sys.argv[1]); print('done')")
    answer = program.answer(request_of)
    assert answer.results.read_text() == str(request_of.photos)
    assert answer.call is not None
    assert (answer.call["exit_code"], answer.call["output"]) == (0, "done\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import sys; print('no such device'); sys.exit(3)",
            r"exit code 3 in cell clean: it said last: 'no such device'",
        ),
        ("print('all done')", r"wrote no file \{out\}.*'all done'"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_a_program_that_fails_is_quoted(request_of: Request, code: str, said: str) -> None:
    with pytest.raises(OccbenchError, match=said):
        python(code).answer(request_of)


def test_a_program_that_hangs_is_ended_with_what_it_started(request_of: Request) -> None:
    alive = request_of.folder / "alive"
    child = f"import time; time.sleep(3); open({str(alive)!r}, 'w')"
    script = request_of.folder / "hangs.py"
    script.write_text(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)\n"
    )
    program = Program(f"{sys.executable} {script} {{photos}} {{out}}", limit=1)
    began = time.monotonic()
    with pytest.raises(OccbenchError, match="more than 1 s in cell clean"):
        program.answer(request_of)
    assert time.monotonic() - began < 30
    time.sleep(4)
    assert not alive.exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "names no program"),
        ("mine {photos}", r"where \{out\} goes"),
        ("mine {out}", r"where \{photos\} goes"),
        ("mine '{photos} {out}", "is no command"),
    ],
)
def test_commands_that_cannot_be_called(command: str, said: str) -> None:
    with pytest.raises(OccbenchError, match=said):
        Program(command)


def test_a_program_that_is_not_there(request_of: Request) -> None:
    with pytest.raises(OccbenchError, match="'no-such-program' cannot be started"):
        Program("no-such-program {photos} {out}").answer(request_of)


def test_a_program_is_its_text_and_the_files_that_it_names(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("1")
    program = Program(f"python {script} {{photos}} {{out}}")
    assert find_model(f"command:{program.command}").name == "mine"
    before = program.weights_sha256
    script.write_text("2")
    assert Program(program.command).weights_sha256 != before
    assert Program(f"{program.command} --fast").weights_sha256 != Program(program.command).weights_sha256


def test_results_are_their_content(tmp_path: Path, request_of: Request) -> None:
    (tmp_path / "clean.json").write_text("[]")
    given = Given(tmp_path)
    before = given.weights_sha256
    assert given.answer(request_of).results == tmp_path / "clean.json"
    assert given.missing(["clean", "part-head"]) == ["part-head"]
    (tmp_path / "clean.json").write_text("[ ]")
    assert Given(tmp_path).weights_sha256 != before
    with pytest.raises(OccbenchError, match="no folder"):
        Given(tmp_path / "elsewhere")
