"""A config turned to twelve described keypoints, and back from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml  # type: ignore[import-untyped]

from occbench.data.custom import read_description
from occbench.estimators.config import read_config
from occbench.estimators.crops import CropPipeline
from occbench.training.config import find_config
from occbench.training.data import TrainingData
from occbench.training.described import write_config
from occbench.weights.trust import check_config

from ..cli.own_data import KEPT, description


def test_the_written_config_has_the_described_keypoints_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "cranes.yaml").write_text(yaml.safe_dump(description(), sort_keys=False))
    given = read_description(tmp_path / "cranes.yaml")
    data = TrainingData(
        given.annotations, tmp_path, given.skeleton, np.ones((1, 12), bool), given.annotations, described=True
    )
    path = write_config(find_config("hrnet-mini"), data, tmp_path)
    assert path == tmp_path / "model.py"
    assert check_config(path, trusted=False) == ()
    config = read_config(path)
    assert config.model.head.out_channels == 12
    pipeline = CropPipeline(config)
    assert pipeline.keypoints == tuple(KEPT.values())
    assert pipeline.flip_indices == given.skeleton.flip_indices == (6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5)
    pipeline.require(given.skeleton)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cranes.yaml", "model.py"]
