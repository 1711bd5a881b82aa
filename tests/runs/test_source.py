"""The data set of a run is found again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from occbench.data.sources import open_dataset
from occbench.runs.source import dataset_of
from occbench.system.download import sha256
from occbench.system.errors import OccbenchError

from ..data import set_builders as builders


def test_a_set_with_a_name_is_found_where_its_files_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as files, and not as the name that they turn out to have; whatever else lies where such sets lie."""
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "data"))
    builders.lsp(tmp_path / "mine", np.random.default_rng(0), photos=4, extended=True)
    given = open_dataset(str(tmp_path / "mine" / "joints.mat"))
    files = {"annotations": str(given.annotations), "images": str(given.images)}
    about = {"name": given.name, **files, "annotations_sha256": sha256(given.annotations)}
    about |= {"description": None, "limit": None, "skipped_images": []}
    manifest = {"data": about, "boxes": {"source": "gt"}, "seed": 0, "schema": 2}
    assert given.name == "lspet"

    def found() -> Path:
        again = dataset_of(manifest, run=tmp_path)
        assert (again.name, len(again.persons), again.images) == (given.name, len(given.persons), given.images)
        return again.annotations

    assert found() == given.annotations
    builders.lsp(tmp_path / "data" / "lspet", np.random.default_rng(1), photos=6, extended=True)
    assert found() == given.annotations
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(OccbenchError, match="not the file that was measured on"):
        dataset_of(manifest, run=tmp_path)
