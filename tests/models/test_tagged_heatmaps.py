"""The codec of bottom-up networks: targets, both rules of grouping, and the way from targets back to joints.

golden/higherhrnet/parser.npz has heatmaps and tags of seeded noise and people, cut to the pixels that decide, what the
published implementation made of them step by step, and what MMPose's codec does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from occbench.models import TaggedHeatmaps
from occbench.models.higherhrnet.aggregate import resized
from occbench.models.higherhrnet.grouping import RULES, Candidates, by_truth, group
from occbench.models.higherhrnet.joints import adjust, fill
from occbench.models.higherhrnet.targets import heatmap_targets, tag_indices
from occbench.system.errors import OccbenchError

GOLDEN = Path(__file__).parent / "golden" / "higherhrnet"
SETS = ("easy", "missing", "crowd", "borders", "empty")
SIZE = (17, 64, 80)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(np.load(GOLDEN / "parser.npz", allow_pickle=False))


def maps_of(golden: dict[str, Any], case: str) -> tuple[np.ndarray, np.ndarray]:
    """Heatmaps (K, H, W) and tags (K, H, W, T) of a set."""
    at, tag = golden[f"{case}/at"], golden[f"{case}/tag"]
    # Of the pixels that were cut away none is anybody's.
    heatmaps, tags = np.full(SIZE, -1.0, np.float32), np.full((*SIZE, tag.shape[1]), 1e4, np.float32)
    heatmaps.reshape(-1)[at] = golden[f"{case}/det"]
    tags.reshape(-1, tag.shape[1])[at] = tag
    return heatmaps, tags


@pytest.mark.parametrize("case", SETS)
def test_official_rule_step_by_step(golden: dict[str, Any], case: str) -> None:
    heatmaps, tags = maps_of(golden, case)
    codec = TaggedHeatmaps()
    people = codec.put_together(codec.find(torch.tensor(heatmaps), torch.tensor(tags)))
    assert len(people) == len(golden[f"{case}/matched"])  # 52 in the crowd: not cut at 30
    np.testing.assert_allclose(people, golden[f"{case}/matched"], atol=1e-4)
    moved = adjust(people, heatmaps, codec.rule)
    np.testing.assert_allclose(moved, golden[f"{case}/adjusted"], atol=1e-4)
    np.testing.assert_allclose(fill(moved, heatmaps, tags, codec.rule), golden[f"{case}/final"], atol=1e-4)
    (keypoints,), (joint_scores,), (scores,) = codec.batch_decode(
        torch.tensor(heatmaps)[None], torch.tensor(tags)[None]
    )
    np.testing.assert_allclose(keypoints, golden[f"{case}/final"][..., :2], atol=1e-4)
    np.testing.assert_allclose(joint_scores, golden[f"{case}/final"][..., 2], atol=1e-4)
    np.testing.assert_allclose(scores, golden[f"{case}/scores"], atol=1e-4)


@pytest.mark.parametrize("nms", [1, 3, 5])
def test_candidates_are_the_largest_of_their_window(nms: int) -> None:
    heatmaps = torch.rand(3, 11, 14, generator=torch.Generator().manual_seed(0)).mul(20).round()  # with ties
    largest = torch.nn.functional.max_pool2d(heatmaps[None], nms, 1, nms // 2)[0]
    peaks = torch.where(heatmaps == largest, heatmaps, 0).flatten(1)
    found = TaggedHeatmaps(nms=nms, candidates=154).find(heatmaps, torch.zeros(3, 11, 14, 1))
    np.testing.assert_array_equal(found.scores, peaks.sort(descending=True).values)


@pytest.mark.parametrize("case", SETS)
def test_mmposes_rule(golden: dict[str, Any], case: str) -> None:
    heatmaps, tags = maps_of(golden, case)
    keypoints, joint_scores, scores = TaggedHeatmaps(rule="mmpose").decode((torch.tensor(heatmaps), torch.tensor(tags)))
    np.testing.assert_allclose(keypoints, golden[f"{case}/mmpose_keypoints"], atol=1e-4)
    np.testing.assert_allclose(joint_scores, golden[f"{case}/mmpose_keypoint_scores"], atol=1e-4)
    np.testing.assert_allclose(scores, golden[f"{case}/mmpose_instance_scores"], atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_mmposes_rule_is_mmposes_codec(seed: int) -> None:
    from mmpose.codecs import AssociativeEmbedding

    rs = np.random.RandomState(seed)
    heatmaps = torch.tensor(rs.random_sample((1, 17, 24, 20)).astype(np.float32) * 0.2)
    tags = torch.tensor(rs.random_sample((1, 17, 24, 20, 2)).astype(np.float32) * 4)
    order = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
    theirs = AssociativeEmbedding(
        (20, 24), (20, 24), decode_topk=8, decode_center_shift=0.5, decode_keypoint_order=order, decode_max_instances=30
    )
    expected = theirs.batch_decode(heatmaps, tags.permute(0, 4, 1, 2, 3).flatten(1, 2))
    found = TaggedHeatmaps(rule="mmpose", candidates=8).batch_decode(heatmaps, tags)
    for ours, (other,) in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[0], other, atol=1e-5)


def test_single_precision_would_begin_more_persons(golden: dict[str, Any]) -> None:
    """The costs are in double precision: with 1e10 beside it a single one forgets tags and scores."""
    cost = np.array([100.3, 1e10])
    assert cost.astype(np.float32)[1] + np.float32(100) == cost.astype(np.float32)[1]
    assert len(golden["crowd/matched"]) == 52


@pytest.mark.parametrize("rule", RULES)
def test_a_tag_that_exists_is_taken_over(rule: str) -> None:
    """Two candidates of the first joint with the same tag are one person, of the later place."""
    scores = np.array([[0.9, 0.8]], np.float32)
    candidates = Candidates(scores, np.array([[[1, 1], [5, 5]]]), np.full((1, 2, 1), 3, np.float32))
    found = group(candidates, RULES[rule], [0])
    np.testing.assert_allclose(found, [[[5, 5, 0.8, 3]]])


def test_unknown_rule() -> None:
    with pytest.raises(OccbenchError, match="official"):
        TaggedHeatmaps(rule="offical")


# Targets


@pytest.mark.parametrize("side", [128, 256])
def test_targets(side: int) -> None:
    golden = np.load(GOLDEN / "targets.npz")
    joints = golden[f"joints_{side}"]
    points, visible = joints[..., :2], joints[..., 2] > 0
    np.testing.assert_allclose(
        heatmap_targets(points, visible, (side, side), 2.0), golden[f"heatmaps_{side}"], atol=1e-6
    )
    for own, theirs in zip(tag_indices(points, visible, (side, side)), golden[f"indices_{side}"], strict=False):
        np.testing.assert_array_equal(own[own[:, 1] > 0], theirs[theirs[:, 1] > 0])  # theirs stand closely together


def test_both_levels_are_encoded_from_the_input() -> None:
    golden = np.load(GOLDEN / "targets.npz")
    joints = golden["joints_256"]
    found = TaggedHeatmaps().encode(joints[..., :2] * 2, joints[..., 2])
    np.testing.assert_allclose(found["heatmaps"][0], golden["heatmaps_128"], atol=1e-6)
    np.testing.assert_allclose(found["heatmaps"][1], golden["heatmaps_256"], atol=1e-6)
    np.testing.assert_array_equal(
        found["keypoint_indices"], tag_indices(joints[..., :2] / 2, joints[..., 2] > 0, (128, 128))
    )


def test_only_so_many_persons_are_encoded() -> None:
    points = np.random.RandomState(0).uniform(0, 500, (40, 17, 2))
    assert TaggedHeatmaps().encode(points)["keypoint_indices"].shape == (30, 17, 2)


def test_round_trip_has_no_bias() -> None:
    """Targets of both levels, put together and decoded: the half px of decoding belongs to the truncated targets."""
    rs = np.random.RandomState(5)
    codec = TaggedHeatmaps((256, 256), ((64, 64), (128, 128)))
    errors = []
    for _ in range(12):
        points = rs.uniform(24, 232, (1, 17, 2))
        levels = [torch.tensor(level)[None] for level in codec.encode(points)["heatmaps"]]
        mean = torch.stack([resized(level, (128, 128)) for level in levels]).mean(0)
        found, _, _ = codec.decode((resized(mean, (256, 256))[0], torch.zeros(17, 256, 256, 1)))
        errors.append(found[0] - points[0])
    # The published implementation on the same way: mean -.007 px, rms .64.
    assert abs(np.mean(errors)) < 0.1
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(0.64, abs=0.06)


# The true groups


def people_of(rs: np.random.RandomState, persons: int) -> tuple[np.ndarray, np.ndarray]:
    return rs.uniform(5, 59, (persons, 17, 2)), rs.random_sample((persons, 17)) > 0.2


def in_turns(candidates: Candidates, points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """The rule of by_truth as it is said: of each joint, the nearest pair again and again."""
    found = np.zeros((len(points), 17, 3), np.float32)
    for joint in range(17):
        pairs = []
        for m, place in enumerate(candidates.places[joint]):
            for n in range(len(points)):
                if candidates.scores[joint, m] > 0.1 and labelled[n].any():
                    known = [joint] if labelled[n, joint] else np.flatnonzero(labelled[n])
                    pairs.append((min(np.hypot(*(place + 0.5 - points[n, k])) for k in known), m, n))
        while pairs:
            _, m, n = min(pairs)
            found[n, joint] = *candidates.places[joint, m], candidates.scores[joint, m]
            pairs = [pair for pair in pairs if pair[1] != m and pair[2] != n]
    return found[(found[..., 2] > 0).any(1)]


@pytest.mark.parametrize("persons", [0, 1, 3])
def test_every_candidate_joins_the_nearest_person_that_lacks_the_joint(persons: int) -> None:
    rs = np.random.RandomState(persons)
    points, labelled = people_of(rs, persons)
    labelled[-1:] = False  # the last one is joined by nobody
    candidates = Candidates(
        rs.random_sample((17, 5)).astype(np.float32), rs.randint(0, 64, (17, 5, 2)), np.zeros((17, 5, 1), np.float32)
    )
    found = by_truth(candidates, points, labelled)
    assert len(found) == max(0, persons - 1)
    np.testing.assert_allclose(found[..., :3], in_turns(candidates, points, labelled).reshape(-1, 17, 3))


@pytest.mark.parametrize("theirs", [False, True])
def test_people_with_mixed_tags_are_put_right(theirs: bool) -> None:
    """Two persons whose arms have each other's tags; by our codec and by MMPose's."""
    from mmpose.codecs import AssociativeEmbedding

    from occbench.models.higherhrnet.regrouping import Remembering

    rs = np.random.RandomState(1)
    points = np.stack([rs.uniform((4, 4), (20, 60), (17, 2)), rs.uniform((44, 4), (60, 60), (17, 2))])
    visible = np.ones((2, 17), bool)
    heatmaps = torch.tensor(heatmap_targets(points, visible, (64, 64), 1.5))
    tags = torch.zeros(17, 64, 64, 1)
    tags[:, :, 32:] = 5
    tags[7:11] = 5 - tags[7:11]
    order = list(range(17))
    inside: Any = TaggedHeatmaps((64, 64), ((64, 64),))
    given = tags[None]
    if theirs:
        inside = AssociativeEmbedding(
            (64, 64), (64, 64), decode_keypoint_order=order, decode_max_instances=30, decode_center_shift=0.5
        )
        given = given[..., 0]
    codec = Remembering(inside)
    (mixed,), _, _ = codec.batch_decode(heatmaps[None], given)
    true, joint_scores, scores = codec.regrouped(codec.last[0], points, visible)
    mixed = mixed[np.argsort(mixed[:, 0, 0])]
    assert (np.abs(mixed - points).max(2) > 20).sum() == 8  # two elbows and two wrists of each
    assert np.abs(true - points).max() < 0.8
    assert scores == pytest.approx([1, 1])
    assert joint_scores.min() > 0.99
    assert codec.input_size == (64, 64)  # the rest is the codec's own
