"""DeepPose: the network, its codec and loss, the boxes of a cascade, and what a stage is trained on, held to numbers.

golden/deeppose.json holds what others computed: from the paper's formulas, and (the network) with plain torch layers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from occbench.models import CentredLabel, DeepPoseCascade, DeepPoseNetwork, SquaredErrorSum
from occbench.models.complexity import measure_complexity
from occbench.models.deeppose.boxes import denormalise, diameter, joint_side, normalise, refine, sample_boxes
from occbench.models.deeppose.displacements import Displacements, simulated
from occbench.system.errors import OccbenchError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "deeppose.json").read_text())
ENDS = (9, 2)  # left shoulder, right hip
SMALL = {"size": 60, "widths": (4, 4, 4, 4, 4), "units": 8}


def f64(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# The network


def test_narrow_network_is_that_of_plain_layers() -> None:
    golden = GOLDEN["network"]
    torch.manual_seed(golden["seed"])
    net = DeepPoseNetwork(14, widths=(12, 32, 48, 48, 32), units=64).eval()
    np.testing.assert_allclose(net.c1.weight.detach().flatten()[:4], golden["first_weights"], rtol=1e-6)
    images = np.random.RandomState(golden["input_seed"]).standard_normal((2, 3, 220, 220))
    with torch.no_grad():
        found = net(torch.tensor(images, dtype=torch.float32))
    np.testing.assert_allclose(found, golden["output"], atol=1e-6)


def test_lrn_is_krizhevskys() -> None:
    net = DeepPoseNetwork(14, **SMALL)
    np.testing.assert_allclose(net.lrn(torch.tensor(GOLDEN["lrn"]["x"])), GOLDEN["lrn"]["krizhevsky"], atol=1e-6)


@pytest.mark.parametrize("keypoints", [10, 14, 16, 17])
def test_parameters(keypoints: int) -> None:
    with torch.device("meta"):
        net = DeepPoseNetwork(keypoints)
    assert sum(p.numel() for p in net.parameters()) == GOLDEN["parameters"][f"k{keypoints}"]


def test_complexity_of_a_pass_and_of_the_cascade() -> None:
    with torch.device("meta"):
        net, cascade = DeepPoseNetwork(14), DeepPoseCascade(14)
    assert measure_complexity(net, (220, 220)).flops == 2 * GOLDEN["multiply_adds"] == 2 * 1_131_274_784
    whole = measure_complexity(cascade, (660, 660))
    assert (whole.parameters, whole.flops) == (3 * 58_396_060, 2 * (1 + 2 * 14) * GOLDEN["multiply_adds"])


def test_sizes_of_the_maps() -> None:
    assert DeepPoseNetwork.map_sizes(220) == (55, 27, 13, 6)


def test_batch_norm_stands_in_for_lrn() -> None:
    net = DeepPoseNetwork(3, norm="batch", **SMALL)
    assert isinstance(net.lrn, torch.nn.Identity)
    assert isinstance(net.n7, torch.nn.BatchNorm1d)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"norm": "layer"}, "unknown norm 'layer'"),
        ({"size": 59}, "at least 60 px"),
        ({"dropout": 1.0}, "dropout"),
        ({"widths": (1, 2, 3)}, "five widths"),
    ],
)
def test_bad_network(change: dict[str, Any], says: str) -> None:
    with pytest.raises(OccbenchError, match=says):
        DeepPoseNetwork(3, **{**SMALL, **change})


# Boxes


@pytest.mark.parametrize("case", GOLDEN["normalisation"], ids=lambda case: f"{case['box']['width']:g} wide")
def test_normalisation_there_and_back(case: dict[str, Any]) -> None:
    box, joints = case["box"], f64(case["joints"])
    centre, size = f64(box["center"]), f64([box["width"], box["height"]])
    values = normalise(joints, centre, size)
    np.testing.assert_allclose(values, case["normalised"], atol=1e-12)
    np.testing.assert_allclose(denormalise(values, centre, size), joints, atol=1e-12)


@pytest.mark.parametrize("case", GOLDEN["cascade"], ids=lambda case: f"sigma {case['sigma']:g}")
def test_a_stage_of_the_cascade(case: dict[str, Any]) -> None:
    before, truth, psi = f64(GOLDEN["stage1"]), f64(GOLDEN["truth"]), f64(case["psi"])
    side = joint_side(before, ENDS, case["sigma"])
    assert float(side) == pytest.approx(case["side"], abs=1e-9)
    for joint, box in zip(before, case["boxes"], strict=True):
        corners = [*(joint - side / 2).tolist(), *(joint + side / 2).tolist()]
        assert corners == pytest.approx([box[name] for name in ("x1", "y1", "x2", "y2")], abs=1e-9)
    after = refine(before, psi, side)
    np.testing.assert_allclose(after, case["refined"], atol=1e-9)
    np.testing.assert_allclose(after - before, case["displacement_px"], atol=1e-9)
    np.testing.assert_allclose(after, denormalise(psi, before, side), atol=0)  # N^-1(psi; b), once
    assert float(joint_side(after, ENDS, case["sigma"])) == pytest.approx(case["next_side"], abs=1e-9)
    np.testing.assert_allclose(normalise(truth, before, side), case["training_target_of_truth"], atol=1e-9)


def test_collapsed_pose_has_a_box() -> None:
    poses = torch.zeros(2, 14, 2)
    poses[1, 9, 0] = 0.3
    np.testing.assert_allclose(joint_side(poses, ENDS, 2.0), [2 * 0.05, 2 * 0.3], rtol=1e-6)


def test_boxes_are_cut_where_they_lie_and_are_zero_outside() -> None:
    size = 8
    ramp = torch.arange(size, dtype=torch.float64) + 0.5  # the middle of each px, from the left edge
    canvas = ramp.expand(1, 1, size, size)
    whole = sample_boxes(canvas, f64([[0, 0]]), f64([1]), size)
    np.testing.assert_allclose(whole, canvas, atol=1e-12)
    right = sample_boxes(canvas, f64([[0.25, 0]]), f64([0.5]), 4)[0, 0]
    np.testing.assert_allclose(right, ramp[4:].expand(4, 4), atol=1e-12)
    beyond = sample_boxes(canvas, f64([[0.5, 0]]), f64([0.5]), 4)[0, 0]
    np.testing.assert_allclose(beyond, f64([6.5, 7.5, 0, 0]).expand(4, 4), atol=1e-12)


# What a later stage is trained on


def test_simulated_prediction() -> None:
    case = GOLDEN["simulated_prediction"]
    side = case["sigma"] * diameter(f64(GOLDEN["truth"]), ENDS)
    centre, target = simulated(f64([case["truth"]]), f64([case["delta"]]), side[None])
    assert float(side) == pytest.approx(case["box_side"], abs=1e-9)
    np.testing.assert_allclose(centre[0], case["box_center"], atol=1e-9)
    np.testing.assert_allclose(target[0], case["target"], atol=1e-9)


def test_displacements_of_one_example() -> None:
    before, truth = f64([GOLDEN["stage1"]]), f64([GOLDEN["truth"]])
    found = Displacements.measure(before, truth, torch.ones(1, 14, dtype=torch.bool), torch.ones(1))
    np.testing.assert_allclose(found.mean, GOLDEN["displacements_px"], atol=1e-9)
    assert not found.covariance.any()
    assert found.n.tolist() == [1] * 14


def test_displacements_are_those_of_numpy_and_leave_out_what_does_not_count() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.normal(size=(2, 50, 3, 2))
    labelled, lengths = rng.random((50, 3)) < 0.7, rng.uniform(1, 2, 50)
    lengths[7] = np.nan
    found = Displacements.measure(*map(torch.tensor, (predicted, truth, labelled, lengths)))
    for joint in range(3):
        rows = labelled[:, joint] & np.isfinite(lengths)
        apart = (predicted - truth)[rows, joint] / lengths[rows, None]
        np.testing.assert_allclose(found.mean[joint], apart.mean(0))
        np.testing.assert_allclose(found.covariance[joint], np.cov(apart.T, bias=True))
        assert found.n[joint] == rows.sum()


def test_draws_have_the_mean_and_covariance() -> None:
    n = 10_000
    mean, covariance = f64([[0, 0], [0.3, -0.1]]), f64([[[1, 0], [0, 1]], [[0.04, 0.03], [0.03, 0.09]]])
    given = Displacements(mean, covariance, torch.tensor([9, 9]))
    drawn = given.draw(torch.ones(n, dtype=torch.int64), torch.full((n,), 2.0), torch.Generator().manual_seed(1))
    drawn = drawn / 2  # in units of the lengths
    spread = covariance[1].diag().sqrt()
    assert ((drawn.mean(0) - mean[1]).abs() < 3 * spread / n**0.5).all()
    error = ((covariance[1] ** 2 + spread[:, None] ** 2 * spread**2) / n).sqrt()
    assert ((torch.cov(drawn.T) - covariance[1]).abs() < 3 * error).all()


# Loss and codec


def test_loss_is_a_sum_over_labelled_joints() -> None:
    case = GOLDEN["loss"]
    predicted, truth, labelled = (f64(case[name]) for name in ("pred", "truth", "labelled"))
    loss = SquaredErrorSum()
    assert float(loss(predicted, truth, labelled)) == pytest.approx(case["sum"], abs=1e-12)
    for i, expected in enumerate(case["per_example"]):
        assert float(loss(predicted[i], truth[i], labelled[i])) == pytest.approx(expected, abs=1e-12)
    assert loss(predicted.fill_(torch.nan), truth, torch.zeros_like(labelled)) == 0


def test_codec_keeps_joints_outside_of_the_crop() -> None:
    codec = CentredLabel(input_size=(220, 110))
    points = np.array([[[110.0, 55.0], [-22.0, 121.0], [0.0, 0.0]]])
    made = codec.encode(points, np.array([[1, 1, 0]], dtype=np.float32))
    np.testing.assert_allclose(made["keypoint_labels"], [[[0, 0], [-0.6, 0.6], [-0.5, -0.5]]], atol=1e-7)
    np.testing.assert_array_equal(made["keypoint_weights"], [[1, 1, 0]])
    back, scores = codec.decode(made["keypoint_labels"])
    np.testing.assert_allclose(back, points, atol=1e-4)
    assert (scores == 1).all()
