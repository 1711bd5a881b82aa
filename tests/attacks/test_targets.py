"""The skeleton: MMPose's order of the keypoints, and the protocol's table of parts."""

from __future__ import annotations

from collections import Counter

import pytest

from occbench.attacks import COCO, Skeleton

from . import oracle


def test_keypoints_stand_in_mmposes_order() -> None:
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmpose.datasets.datasets import CocoDataset
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    names = parse_pose_metainfo(CocoDataset.METAINFO)["keypoint_id2name"]
    assert list(COCO.keypoints) == [names[i] for i in range(17)]
    assert len(names) == 17


def test_keypoints_are_cocos() -> None:
    assert list(COCO.keypoints) == oracle.KEYPOINTS
    assert COCO.targets("keypoint") == COCO.keypoints


def test_parts_are_those_of_the_table() -> None:
    assert {part: set(members) for part, members in COCO.parts.items()} == oracle.PARTS
    assert len(COCO.targets("part")) == 11
    assert all(max(Counter(members).values()) == 1 for members in COCO.parts.values())
    assert "nose" not in {*COCO.parts["left_side"], *COCO.parts["right_side"]}


def test_limbs_run_from_the_body_outwards() -> None:
    """The thesis' rule takes the second joint for the middle one."""
    assert COCO.parts["left_arm"] == ("left_shoulder", "left_elbow", "left_wrist")
    assert COCO.parts["right_leg"] == ("right_hip", "right_knee", "right_ankle")


@pytest.mark.parametrize("level", ["keypoint", "part"])
def test_indices_name_the_keypoints_of_a_target(level: str) -> None:
    for target in COCO.targets(level):
        names = {COCO.keypoints[i] for i in COCO.indices(level, target)}
        assert names == ({target} if level == "keypoint" else oracle.PARTS[target])


def test_a_part_of_unknown_keypoints_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"part 'tail'.*\['tip'\]"):
        Skeleton("cat", ("nose",), {"tail": ("nose", "tip")})
