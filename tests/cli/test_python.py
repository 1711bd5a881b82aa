"""``occbench python``: MMPose in an interpreter of the user's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..processes import finished, start
from .conftest import Refusal


def test_mmpose_can_be_imported() -> None:
    script = "import mmpose.apis, xtcocotools.coco, sys; print(mmpose.__version__, sys.argv)"
    command = [sys.executable, "-m", "occbench", "python", "-c", script, "more", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" ['-c', 'more', '--quiet']\n")


def test_a_script_is_run_as_python_runs_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'beside'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, beside\n"
        "print(__name__, sys.argv[1:], beside.WORD)\n"
        "if '--fail' in sys.argv:\n    raise ValueError('mine')\n"
        "sys.exit(7)\n"
    )
    log = tmp_path / "log"
    assert finished(start(["python", script, "a", "--help"], log)) == 7
    assert log.read_text() == "__main__ ['a', '--help'] beside\n"
    assert finished(start(["python", script, "--fail"], log)) == 1
    assert f'File "{script}", line 4' in log.read_text()
    assert log.read_text().endswith("ValueError: mine\n")


def test_what_python_refuses(refuses: Refusal, tmp_path: Path) -> None:
    refuses(["python"], "needs SCRIPT.py, -m MODULE or -c CODE")
    refuses(["python", "-c"], "needs SCRIPT.py, -m MODULE or -c CODE")
    refuses(["python", tmp_path / "nothing.py"], "there is no file", "nothing.py")
