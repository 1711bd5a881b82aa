"""`occbench setup`, and the places that say which MMPose is installed, and how."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from occbench.jobs import setup as job
from occbench.system.errors import OccbenchError
from occbench.system.openmmlab import INSTALL_MMPOSE, MMPOSE

ROOT = Path(__file__).parents[2]


def test_nothing_is_done_where_mmpose_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("installs"))
    said: list[str] = []
    job.setup(said.append)
    assert said == ["MMPose 1.3.2 is installed already"]


@pytest.mark.parametrize("installed", [None, "1.2.0"])
def test_mmpose_is_installed_into_the_python_that_runs(monkeypatch: pytest.MonkeyPatch, installed: str | None) -> None:
    versions, ran = iter([installed, "1.3.2"]), []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(job, "mmpose_version", lambda: next(versions))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "pip" or None)
    said: list[str] = []
    job.setup(said.append)
    assert ran == [[sys.executable, "-m", *INSTALL_MMPOSE.split()]]
    assert said[0] == " ".join(ran[0])
    assert "1.3.2 is installed" in said[1]


def test_a_failed_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "mmpose_version", lambda: None)
    monkeypatch.setattr(job, "installer", lambda: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(OccbenchError, match=re.escape(INSTALL_MMPOSE)):
        job.setup(lambda line: None)


def test_an_environment_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/uv")
    assert job.installer() == ["/bin/uv", "pip", "install", "--python", sys.executable, "--no-deps", MMPOSE]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OccbenchError, match="no pip"):
        job.installer()


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "constraints-numpy1.txt", "README.md"])
def test_one_version_of_mmpose_everywhere(name: str) -> None:
    named = set(re.findall(r"mmpose==[\w.]+", (ROOT / name).read_text(encoding="utf-8")))
    assert named == {MMPOSE}
