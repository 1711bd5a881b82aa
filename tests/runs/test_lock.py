"""One writer at a time."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from occbench.runs.lock import NAME, describe, locked
from occbench.system.errors import OccbenchError

HOLD = """
import sys, time
from pathlib import Path
from occbench.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def owner(folder: Path, **fields: object) -> None:
    known = {"pid": 1, "host": platform.node(), "since": time.time()}
    (folder / NAME).write_text(json.dumps(known | fields))


def test_it_is_held_and_given_back(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
        with pytest.raises(OccbenchError, match=f"being written by process {os.getpid()} on .* wait"), locked(tmp_path):
            pass
    assert not (tmp_path / NAME).exists()
    with locked(tmp_path):
        pass


def test_it_is_given_back_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    assert not (tmp_path / NAME).exists()


def test_a_killed_owner_is_named_and_its_lock_taken_over(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(OccbenchError, match=f"process {process.pid} on"), locked(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    said: list[str] = []
    with locked(tmp_path, say=said.append):
        pass
    assert f"process {process.pid} on {platform.node()}" in said[0]
    assert "ended without finishing" in said[0]


def test_a_lock_of_another_machine_is_taken_on_request_only(tmp_path: Path) -> None:
    owner(tmp_path, pid=77, host="node-7", since=time.time() - 7300)
    with pytest.raises(OccbenchError, match=r"process 77 on node-7 \(for 2 hours\).*--take-over"), locked(tmp_path):
        pass
    said: list[str] = []
    with locked(tmp_path, take_over=True, say=said.append):
        pass
    assert "node-7" in said[0]


def test_a_clock_that_was_set_back_makes_nobody_younger_than_new() -> None:
    later = {"pid": 5, "host": "here", "since": time.time() + 3600}
    assert describe(later) == "process 5 on here (for 0 seconds)"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "\x00" * 50])
def test_a_lock_file_that_says_nothing_is_nobodys(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with locked(tmp_path):
        pass
