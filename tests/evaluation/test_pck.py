"""PCK, PCKh, PDJ and PCP against MMPose's own metrics and small cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from occbench.evaluation import pck
from occbench.system.compat import setup_mmpose

setup_mmpose()

LIMB = np.array([[0, 1]])


def people(rng: np.random.Generator, n: int = 60, k: int = 16) -> tuple[np.ndarray, ...]:
    truth = rng.uniform(0, 200, (n, k, 2))
    predicted = truth + rng.normal(size=(n, k, 2)) * rng.uniform(0, 30, (n, 1, 1))
    return predicted, truth, rng.random((n, k)) < 0.8, rng.uniform(20, 120, n)


@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.2, 0.5])
def test_pck_is_mmposes(threshold: float) -> None:
    from mmpose.evaluation import functional

    predicted, truth, labelled, length = people(np.random.default_rng(0))
    labelled[:, 3] = False
    length[5] = 0
    # Distances that are the threshold exactly, where strict or not strict shows.
    predicted[:10, 0], length[:4] = truth[:10, 0] + [threshold * 100, 0], 100
    accuracy, mean, _ = functional.keypoint_pck_accuracy(
        predicted, truth, labelled, threshold, np.repeat(length[:, None], 2, axis=1)
    )
    ours = pck.rates(pck.pck_hits(predicted, truth, labelled, length, threshold))
    np.testing.assert_array_equal(np.nan_to_num(ours.rate, nan=-1), accuracy)
    assert ours.mean == pytest.approx(mean, abs=1e-15)
    assert ours.n[3] == 0
    assert np.isnan(ours.rate[3])


def test_box_pck_is_mmposes_metric() -> None:
    from mmpose.evaluation import metrics

    predicted, truth, labelled, _ = people(np.random.default_rng(1))
    bbox = np.random.default_rng(2).uniform(10, 150, (len(truth), 4))
    metric = metrics.PCKAccuracy(thr=0.2, norm_item="bbox")
    metric.process([], samples(predicted, truth, labelled, np.ones(len(truth)), bbox))
    hits = pck.pck_hits(predicted, truth, labelled, pck.box_length(bbox), 0.2)
    assert pck.rates(hits).mean == pytest.approx(metric.compute_metrics(metric.results)["PCK"], abs=1e-12)


def test_pckh_is_mmposes_mpii_metric() -> None:
    from mmpose.evaluation import metrics

    predicted, truth, labelled, head = people(np.random.default_rng(3))
    metric = metrics.MpiiPCKAccuracy()
    # That metric takes predictions in coordinates from 0 and truth in coordinates from 1.
    metric.process([], samples(predicted - 1, truth, labelled, head, np.ones((len(truth), 4))))
    theirs = metric.compute_metrics(metric.results)
    half, tenth = (pck.mpii_rates(pck.pck_hits(predicted, truth, labelled, head, a)) for a in (0.5, 0.1))
    assert 100 * half.pooled == pytest.approx(theirs["PCK"], abs=1e-9)
    assert 100 * tenth.pooled == pytest.approx(theirs["PCK@0.1"], abs=1e-4)  # theirs in single precision
    assert 100 * half.rate[9] == pytest.approx(theirs["Head PCK"], abs=1e-9)
    assert 50 * half.rate[[10, 15]].sum() == pytest.approx(theirs["Wrist PCK"], abs=1e-9)


def samples(predicted, truth, labelled, head, bbox):  # type: ignore[no-untyped-def]
    corners = np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], axis=1)
    return [
        {
            "pred_instances": {"keypoints": predicted[i : i + 1]},
            "gt_instances": {
                "keypoints": truth[i : i + 1],
                "keypoints_visible": labelled[i : i + 1, :, None],
                "head_size": head[i : i + 1, None],
                "bboxes": corners[i : i + 1],
            },
        }
        for i in range(len(truth))
    ]


@pytest.mark.parametrize(
    ("first", "second", "strict", "loose"),
    [
        pytest.param(0, 0, True, True, id="both ends right"),
        pytest.param(5, 5, True, True, id="both at half the length"),
        pytest.param(6, 0, False, True, id="one too far, the average is not"),
        pytest.param(6, 5, False, False, id="the average too far"),
    ],
)
def test_pcp_strict_and_loose(first: float, second: float, strict: bool, loose: bool) -> None:
    truth = np.array([[[0.0, 0.0], [10.0, 0.0]]])
    predicted = truth + np.array([[[0.0, first], [0.0, second]]])
    labelled = np.ones((1, 2), dtype=bool)
    assert pck.pcp_hits(predicted, truth, labelled, LIMB).hit[0, 0] == strict
    assert pck.pcp_hits(predicted, truth, labelled, LIMB, loose=True).hit[0, 0] == loose


def test_pcp_counts_limbs_with_both_ends_and_a_length() -> None:
    truth = np.array([[[0.0, 0.0], [10.0, 0.0]], [[0.0, 0.0], [10.0, 0.0]], [[3.0, 3.0], [3.0, 3.0]]])
    labelled = np.array([[True, True], [True, False], [True, True]])
    assert pck.pcp_hits(truth, truth, labelled, LIMB).counted[:, 0].tolist() == [True, False, False]


def test_pdj_rises_with_the_fraction_and_needs_a_torso() -> None:
    predicted, truth, labelled, _ = people(np.random.default_rng(4))
    torso = pck.torso_length(truth, labelled, 3, 8)
    assert np.isnan(torso[~labelled[:, 3]]).all()
    fractions = np.linspace(0, 0.5, 11)
    curve = pck.pdj_curve(predicted, truth, labelled, torso, fractions)
    assert (np.diff(curve, axis=0) >= 0).all()
    assert curve[0].max() == 0  # nothing is nearer than nothing
    counting = labelled & np.isfinite(torso)[:, None]
    near = np.linalg.norm(predicted - truth, axis=2) < 0.2 * np.nan_to_num(torso)[:, None]
    np.testing.assert_allclose(curve[4], (near & counting).sum(0) / counting.sum(0), atol=1e-12)
