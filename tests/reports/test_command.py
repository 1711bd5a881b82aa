"""``occbench report``: what it prints, opens and seals."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest

from occbench.cli.report import report
from occbench.runs.manifest import broken_seal, write_manifest

from .fake_run import write_fake_run


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A run that is as it was measured."""
    run = write_fake_run(tmp_path / "run", examples=False)
    content = json.loads((run / "manifest.json").read_text())
    write_manifest(run, {name: value for name, value in content.items() if name not in ("schema", "occbench")})
    assert broken_seal(run) == []
    return run


def test_a_new_report_is_sealed_with_the_run(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report([sealed], kind="csv")
    assert capsys.readouterr().out == f"tables: {sealed / 'tables'}\n"
    assert (sealed / "tables" / "cells.csv").is_file()
    assert broken_seal(sealed) == []


def test_a_run_that_was_changed_is_not_sealed_anew(sealed: Path) -> None:
    cells = sealed / "cells.csv"
    cells.write_text(cells.read_text().replace("corrected", "thesis"))
    report([sealed], kind="csv")
    assert "cells.csv was changed" in broken_seal(sealed)


def test_a_report_elsewhere_leaves_the_run_alone(sealed: Path, tmp_path: Path) -> None:
    before = (sealed / "manifest.json").read_bytes()
    report([sealed], out=tmp_path / "out", kind="md")
    assert (sealed / "manifest.json").read_bytes() == before
    assert not (sealed / "tables").exists()


def test_open_shows_the_page(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    monkeypatch.setattr("occbench.reports.build_report", lambda runs, out, say, kind, more: out / "report.html")
    report([sealed], out=tmp_path, show=True)
    assert shown == [(tmp_path / "report.html").resolve().as_uri()]
