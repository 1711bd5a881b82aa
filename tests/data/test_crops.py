"""Crops follow the data set that a config was made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from occbench.attacks import COCO, CROWDPOSE, MPII
from occbench.estimators.config import read_config
from occbench.estimators.crops import CropPipeline
from occbench.system.errors import OccbenchError

from ..command_line import CONFIG


def pipeline(folder: Path, dataset: str, more: str = "") -> CropPipeline:
    path = folder / "config.py"
    path.write_text(CONFIG.replace("type='CocoDataset'", f"type={dataset!r}{more}"))
    return CropPipeline(read_config(path))


@pytest.mark.parametrize(
    ("dataset", "skeleton"),
    [("CocoDataset", COCO), ("OCHumanDataset", COCO), ("MpiiDataset", MPII), ("CrowdPoseDataset", CROWDPOSE)],
)
def test_keypoints_and_flips_are_those_of_the_configs_data_set(tmp_path: Path, dataset: str, skeleton: Any) -> None:
    crops = pipeline(tmp_path, dataset)
    assert crops.keypoints == skeleton.keypoints
    assert crops.flip_indices == skeleton.flip_indices
    crops.require(skeleton)


def test_a_config_may_describe_its_keypoints_itself(tmp_path: Path) -> None:
    names = ("beak", "left_eye", "right_eye")
    swaps = {"left_eye": "right_eye", "right_eye": "left_eye"}
    info = {i: {"name": name, "id": i, "type": "upper", "swap": swaps.get(name, "")} for i, name in enumerate(names)}
    described = {"dataset_name": "birds", "keypoint_info": info, "skeleton_info": {}, "joint_weights": [1.0] * 3}
    crops = pipeline(tmp_path, "CocoDataset", f", metainfo={described | {'sigmas': [0.1] * 3}!r}")
    assert crops.keypoints == names
    assert crops.flip_indices == (0, 2, 1)
    with pytest.raises(OccbenchError, match=r"made for the 3 keypoints of 'birds' .* the data have the 17 of 'coco'"):
        crops.require(COCO)


def test_other_keypoints_of_the_same_number_are_refused(tmp_path: Path) -> None:
    """PoseTrack has 17 keypoints too, but other ones."""
    crops = pipeline(tmp_path, "PoseTrack18Dataset")
    assert len(crops.keypoints) == len(COCO.keypoints)
    with pytest.raises(OccbenchError, match="made for the 17 keypoints of 'posetrack18'"):
        crops.require(COCO)


def test_a_data_set_that_nobody_describes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"data set 'BirdDataset', which MMPose does not describe: give"):
        pipeline(tmp_path, "BirdDataset").require(COCO)
    with pytest.raises(OccbenchError, match="metainfo of this config's data set cannot be read"):
        pipeline(tmp_path, "CocoDataset", ", metainfo=dict(dataset_name='x')").require(COCO)
