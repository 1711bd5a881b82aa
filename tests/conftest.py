"""Shared fixtures: the real photos and weights where they are, a quiet cache for everything else."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .command_line import (
    no_model,
    occbench,
    people,
    refuses,
    shared_people,
    tiny,
    with_figures,
    with_report,
    without_figures,
)

__all__ = [
    "no_model",
    "occbench",
    "people",
    "refuses",
    "shared_people",
    "tiny",
    "with_figures",
    "with_report",
    "without_figures",
]

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Real:
    """The real material: COCO photos with their annotations and detections, and weights that MMPose loads.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def annotations(self) -> Path:
        """303 persons with labelled keypoints on 260 photos."""
        return self.root / "coco" / "annotations" / "person_keypoints_real_dev.json"

    @property
    def detections(self) -> Path:
        """Boxes of a small person detector on the same photos."""
        return self.root / "coco" / "annotations" / "person_detections_real_dev.json"

    @property
    def images(self) -> Path:
        """The photos."""
        return self.root / "coco" / "images"

    def weights(self, name: str) -> Path:
        """Weights by the name of their model."""
        return self.root / "weights" / f"{name}.pth"


def _real_root() -> Path:
    return Path(os.environ.get("OCCBENCH_REAL", CHECKOUT.parent / "shared" / "real"))


def pytest_report_header() -> str:
    """Say up front whether the tests on real photos run."""
    root = _real_root()
    if (root / "weights").is_dir():
        return f"real photos and weights: {root}"
    return f"real photos and weights: NOT FOUND at {root}; the tests marked `real` are SKIPPED (set OCCBENCH_REAL)"


@pytest.fixture(scope="session")
def real() -> Real:
    """The real material; the test is skipped where it is absent."""
    root = _real_root()
    if not (root / "weights").is_dir():
        pytest.skip(f"no real photos and weights at {root}: set OCCBENCH_REAL")
    return Real(root)


@pytest.fixture(scope="session", autouse=True)
def _quiet_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the test session's own, so that nothing is read from or written to the user's."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OCCBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> None:
    """What lives when a file begins is no garbage: collections pass over it, and MMEngine asks for one a data set."""
    gc.collect()
    gc.freeze()
