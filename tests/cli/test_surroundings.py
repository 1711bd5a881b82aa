"""What notebooks, consoles and services leave in the environment does not end a run after its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..processes import finished, start
from .conftest import People, TinyModel


def attack(tiny: TinyModel, people: People, out: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "occbench", "attack", "--model", tiny.config, "--checkpoint", tiny.weights]
    command += [
        "--data",
        people.annotations,
        "--kind",
        "part-blur",
        "--target",
        "head",
        "--bootstrap",
        "0",
        "--out",
        out,
    ]
    return subprocess.run(list(map(str, command)), env={**os.environ, **environment}, capture_output=True)


def test_an_attack_runs_to_its_end(tiny: TinyModel, people: People, tmp_path: Path) -> None:
    """With a notebook's backend, and no home, no display and no console but an ASCII one."""
    done = attack(
        tiny,
        people,
        tmp_path / "run",
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        HOME="/proc/none",
        DISPLAY="",
        PYTHONIOENCODING="ascii",
        LC_ALL="C",
        PYTHONUTF8="0",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    assert list((tmp_path / "run" / "plots").glob("*.png"))


def test_doctor_works_where_a_notebook_started_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert finished(start(["doctor"], log, {"MPLBACKEND": "module://matplotlib_inline.backend_inline"})) == 0
    assert "MISSING" not in log.read_text()


def test_a_missing_module_is_named_with_what_installs_it(tmp_path: Path) -> None:
    """By doctor and by the error of an attack, and neither sends the reader to the other."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'platformdirs':\n"
        "            raise ModuleNotFoundError(\"No module named 'platformdirs'\", name='platformdirs')\n"
        "sys.meta_path.insert(0, Gone())\n"
    )
    without = {**os.environ, "PYTHONPATH": str(tmp_path)}
    load = "from occbench.system.compat import setup_mmpose; setup_mmpose()"
    for command in (["-m", "occbench", "doctor"], ["-c", load]):
        done = subprocess.run([sys.executable, *command], env=without, capture_output=True, text=True)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode != 0
        assert "No module named 'platformdirs'" in said
        assert "pip install -c constraints.txt platformdirs" in said
        assert "occbench doctor" not in said
