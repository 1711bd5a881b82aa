"""The tests' own detector: a small RTMDet that was trained on synthetic people (see train.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = Path(__file__).with_name("rtmdet_mini.py")
WEIGHTS = Path(__file__).with_name("rtmdet-mini.pth")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotations of a dozen synthetic photos that the detector was not trained on."""
    from occbench.data.synthetic import generate

    return generate(12, 77, tmp_path_factory.mktemp("photos") / "people")
