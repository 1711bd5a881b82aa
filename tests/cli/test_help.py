"""Help answers at once, for every command."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from occbench.cli import app

from .conftest import Occbench

COMMANDS = (
    "attack",
    "report",
    "compare",
    "view",
    "verify",
    "export",
    "evaluate",
    "train",
    "preview-aug",
    "sample",
    "fetch",
    "ls",
    "doctor",
)
HEAVY = ("torch", "torchvision", "mmpose", "mmcv", "mmdet", "mmengine", "pandas", "matplotlib", "scipy", "cv2", "numpy")


def test_help_needs_no_heavy_library() -> None:
    probe = (
        "import sys\n"
        "from occbench.cli import main\n"
        "sys.argv = ['occbench', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    seconds = time.perf_counter() - started
    print(f"occbench --help: {seconds:.2f} s")
    for command in COMMANDS:
        assert f" {command} " in done.stdout
    assert done.stdout.endswith("loaded: []\n")
    assert done.stderr == ""
    assert seconds < 5  # a busy machine's share of 0.5


def test_every_command_has_its_help_tried() -> None:
    named = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_helps(occbench: Occbench, command: str, flag: str) -> None:
    answer = occbench(command, flag)
    assert (answer.code, answer.err) == (0, "")
    assert f"Usage: occbench {command}" in answer.out
    assert "--help" in answer.out


@pytest.mark.parametrize("what", ["models", "targets", "kinds", "datasets"])
def test_lists_print(occbench: Occbench, what: str) -> None:
    answer = occbench("ls", what)
    assert (answer.code, answer.err) == (0, "")
    rows = json.loads(occbench("ls", what, "--json").out)
    assert len(answer.out.splitlines()) == 1 + len(rows)
    for row in rows:
        assert str(next(iter(row.values()))) in answer.out
