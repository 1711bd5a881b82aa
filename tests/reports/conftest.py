"""Reports that many tests read and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from occbench.reports import build_report

from .fake_run import FULL, FULL_CELLS, write_fake_run
from .reading import Page


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything: two levels, a sweep, controls, intervals, confidence, examples; its report is built."""
    run = write_fake_run(tmp_path_factory.mktemp("full") / "run", FULL_CELLS, **FULL)
    build_report([run])
    return run


@pytest.fixture(scope="session")
def full_page(full_run: Path) -> Page:
    """Its page, read."""
    return Page(full_run / "report.html")


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without intervals and of two fills; its report is built."""
    run = write_fake_run(tmp_path_factory.mktemp("plain") / "run", changes={"data.synthetic": True})
    build_report([run])
    return run


@pytest.fixture(scope="session")
def plain_page(plain_run: Path) -> Page:
    """Its page, read."""
    return Page(plain_run / "report.html")
