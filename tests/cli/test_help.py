"""Help answers at once, for every command."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time

import pytest

from occbench.cli import app
from occbench.cli.attack import attack
from occbench.cli.panels import ATTACK

from .conftest import Occbench

COMMANDS = (
    "attack",
    "report",
    "compare",
    "view",
    "verify",
    "export",
    "evaluate",
    "suite",
    "train",
    "preview-aug",
    "preview-attacks",
    "sample",
    "fetch",
    "ls",
    "doctor",
    "setup",
    "check",
    "fit-nms",
    "fit-proposals",
    "python",
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


def test_version(occbench: Occbench) -> None:
    from importlib.metadata import version

    answer = occbench("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"occbench {version('occbench')}\n", "")


def test_options_of_attack_stand_in_panels(occbench: Occbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = occbench("attack", "--help").out
    assert all(f"─ {title} ─" in out for title in ATTACK)
    assert max(len(line) for line in out.splitlines()) <= 80
    assert set(inspect.signature(attack).parameters) == {name for names in ATTACK.values() for name in names}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_eighty_columns(occbench: Occbench, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in occbench(command, "--help").out.splitlines()) <= 80


def test_defaults_in_brackets_are_shown(occbench: Occbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich takes [centred] for markup unless it is told not to."""
    monkeypatch.setenv("COLUMNS", "200")
    out = occbench("attack", "--help").out
    assert "[centred]" in out
    assert "[runs/" in out
    assert "[images/ beside the file" in out
