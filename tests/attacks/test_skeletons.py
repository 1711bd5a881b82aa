"""The skeletons of the data sets: MMPose's descriptions, the protocol's parts, and MPII's own rectangles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from occbench.attacks import COCO, CROWDPOSE, FLIC, LSP, MPII, SKELETONS, Attack, Skeleton, place
from occbench.attacks.placement import person_rng
from occbench.attacks.regions import part_box_thesis

from . import oracle

CLASSES = {"coco": "CocoDataset", "mpii": "MpiiDataset", "crowdpose": "CrowdPoseDataset"}
SIZE = (256, 256)


@pytest.mark.parametrize("name", CLASSES)
def test_names_flips_sigmas_and_edges_are_mmposes(name: str) -> None:
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmpose.datasets import datasets
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    skeleton = SKELETONS[name]
    info = parse_pose_metainfo(getattr(datasets, CLASSES[name]).METAINFO)
    names = [info["keypoint_id2name"][i] for i in range(info["num_keypoints"])]
    assert list(skeleton.keypoints) == names
    assert list(skeleton.flip_indices) == list(info["flip_indices"])
    np.testing.assert_array_equal(np.float32(skeleton.sigmas), info["sigmas"])
    assert {frozenset(edge) for edge in skeleton.edges} == {
        frozenset(names[i] for i in e) for e in info["skeleton_links"]
    }
    assert len(skeleton.edges) == len(info["skeleton_links"])


def test_ochuman_has_cocos_keypoints() -> None:
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmpose.datasets.datasets import OCHumanDataset
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    info = parse_pose_metainfo(OCHumanDataset.METAINFO)
    assert tuple(info["keypoint_id2name"].values()) == COCO.keypoints
    np.testing.assert_array_equal(np.float32(COCO.sigmas), info["sigmas"])


def test_parts_of_mpii_are_those_of_the_protocol() -> None:
    sides = {side: {k for k in MPII.keypoints if k.startswith(side)} for side in ("left", "right")}
    legs = {f"{side}_{joint}" for side in sides for joint in ("hip", "knee", "ankle")}
    arms = {f"{side}_{joint}" for side in sides for joint in ("shoulder", "elbow", "wrist")}
    hips = {"left_hip", "right_hip"}
    head = {"upper_neck", "head_top"}
    assert {part: set(members) for part, members in MPII.parts.items()} == {
        "head": head,
        **{f"{side}_arm": arms & sides[side] for side in sides},
        "hip": hips,
        **{f"{side}_leg": legs & sides[side] for side in sides},
        "corpus": hips | {"left_shoulder", "right_shoulder"},
        "upper_body": head | arms | hips,
        "lower_body": legs,
        "left_side": sides["left"],
        "right_side": sides["right"],
    }
    assert all({"pelvis", "thorax"}.isdisjoint(members) for members in MPII.parts.values())


@pytest.mark.parametrize(("skeleton", "parts"), [(MPII, 11), (LSP, 11), (CROWDPOSE, 11), (FLIC, 8)])
def test_every_skeleton_has_the_parts_that_it_has_joints_for(skeleton: Skeleton, parts: int) -> None:
    assert len(skeleton.parts) == parts
    assert [part for part in COCO.parts if part in skeleton.parts] == list(skeleton.parts)
    assert skeleton.parts["left_arm"] == ("left_shoulder", "left_elbow", "left_wrist")
    assert "left_leg" not in FLIC.parts


@pytest.mark.parametrize("skeleton", [LSP, FLIC])
def test_skeletons_without_a_description_of_mmposes(skeleton: Skeleton) -> None:
    """Flipping twice is no flip, sides change places and nothing else does; sigmas are COCO's of the same joints."""
    flip = skeleton.flip_indices
    assert [flip[i] for i in flip] == list(range(len(flip)))
    for name, i in zip(skeleton.keypoints, flip, strict=True):
        side, _, joint = name.partition("_")
        swapped = {"left": f"right_{joint}", "right": f"left_{joint}"}.get(side, name)
        assert skeleton.keypoints[i] == swapped
    coco = dict(zip(COCO.keypoints, COCO.sigmas, strict=True))
    for name, sigma in zip(skeleton.keypoints, skeleton.sigmas, strict=True):
        assert sigma == coco.get(name, 0.079)
    joined = {name for edge in skeleton.edges for name in edge}
    assert joined == set(skeleton.keypoints)


def test_lsp_and_flic_have_the_published_order() -> None:
    sides = {"R": "right", "L": "left"}
    lsp = "R ankle,R knee,R hip,L hip,L knee,L ankle,R wrist,R elbow,R shoulder,L shoulder,L elbow,L wrist"
    named = [f"{sides[side]}_{joint}" for side, joint in (word.split() for word in lsp.split(","))]
    assert list(LSP.keypoints) == [*named, "neck", "head_top"]
    flic = "L shoulder,L elbow,L wrist,R shoulder,R elbow,R wrist,L hip,R hip,L eye,R eye"
    named = [f"{sides[side]}_{joint}" for side, joint in (word.split() for word in flic.split(","))]
    assert list(FLIC.keypoints) == [*named, "nose"]


@pytest.mark.parametrize("skeleton", [MPII, LSP, CROWDPOSE])
def test_thesis_head_of_neck_and_top(skeleton: Skeleton) -> None:
    """Centred between the two, sides (2, 1) d, worked out by hand and in exact arithmetic for random heads."""
    neck, top = skeleton.indices("part", "head")
    labelled = np.ones(len(skeleton.keypoints), dtype=bool)
    points = np.full((len(skeleton.keypoints), 2), 200.0)
    points[neck], points[top] = (100, 80), (104, 40)
    # d = (max(4, 10), max(40, 1)); sides (20, 40) around (102, 60); the far edge one px nearer.
    assert part_box_thesis(skeleton, "head", points, labelled) == (92, 40, 111, 79)
    for x, y, u, v in np.random.default_rng(0).integers(16 * 20, 16 * 200, (30, 4)) / 16:
        points[neck], points[top] = (x, y), (u, v)
        reach = oracle.d((x, y), (u, v))
        centre = (Fraction(x) + Fraction(u)) / 2, (Fraction(y) + Fraction(v)) / 2
        low = [int(c - side / 2) for c, side in zip(centre, (2 * reach[0], reach[1]), strict=True)]
        high = [int(c + side / 2) - 1 for c, side in zip(centre, (2 * reach[0], reach[1]), strict=True)]
        assert part_box_thesis(skeleton, "head", points, labelled) == (*low, *high)
    labelled[top] = False
    assert part_box_thesis(skeleton, "head", points, labelled) is None


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
@pytest.mark.parametrize("protocol", ["corrected", "thesis"])
def test_every_target_of_every_skeleton_can_be_hidden(skeleton: Skeleton, protocol: str) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(60, 200, (len(skeleton.keypoints), 2))
    labelled = np.ones(len(skeleton.keypoints), dtype=bool)
    for level in ("keypoint", "part"):
        for target in skeleton.targets(level):
            attack = Attack(level, "blackout", target)
            state = person_rng(0, 1, level, target)
            occluders = place(attack, skeleton, points, labelled, SIZE, protocol, state)
            assert len(occluders.regions) == 1, (level, target)
            members = skeleton.indices(level, target)
            if protocol == "corrected":
                assert occluders.cover(points)[members].all()


def test_rules_by_name_do_not_break_on_parts_of_other_joints() -> None:
    odd = replace(COCO, parts={"hip": ("left_hip", "right_hip", "nose"), "left_arm": ("left_wrist", "left_elbow")})
    points = np.arange(34, dtype=float).reshape(17, 2) * 3
    labelled = np.ones(17, dtype=bool)
    labelled[0] = False
    for part in odd.parts:
        given = [i for i in odd.indices("part", part) if labelled[i]]
        low, high = points[given].min(0), points[given].max(0)
        assert part_box_thesis(odd, part, points, labelled) == (*np.trunc(low), *(np.trunc(high) - 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": {"tail": ("nose", "tip")}}, r"part 'tail'.*\['tip'\]"),
        ({"flip_pairs": (("nose", "tip"),)}, r"flip pair.*\['tip'\]"),
        ({"edges": (("nose", "nose"),)}, "twice"),
        ({"keypoints": (*COCO.keypoints, "nose")}, "keypoint 'nose'.*twice"),
        ({"flip_pairs": (*COCO.flip_pairs, ("left_eye", "nose"))}, "flipped keypoint 'left_eye'.*twice"),
        ({"parts": {"nose": ("nose", "left_eye")}}, "name of a keypoint"),
        ({"sigmas": COCO.sigmas[:-1]}, "16 sigmas for its 17"),
        ({"sigmas": (*COCO.sigmas[:-1], 0.0)}, "no positive number"),
    ],
)
def test_a_skeleton_that_contradicts_itself_is_an_error(change: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        replace(COCO, **change)
