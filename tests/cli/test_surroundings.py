"""What notebooks, consoles and services leave in the environment does not end a run after its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(
            {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "HOME": "/proc/none"}, id="notebook, no home"
        ),
        pytest.param(
            {"MPLBACKEND": "TkAgg", "DISPLAY": "", "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
            id="no display, ASCII console",
        ),
    ],
)
def test_an_attack_runs_to_its_end(
    tiny: TinyModel, people: People, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = attack(tiny, people, tmp_path / "run", **environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    assert list((tmp_path / "run" / "plots").glob("*.png"))


def test_doctor_works_where_a_notebook_started_it() -> None:
    notebook = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run([sys.executable, "-m", "occbench", "doctor"], env=notebook, capture_output=True, text=True)
    assert "MISSING" not in done.stdout
    assert done.returncode == 0


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
