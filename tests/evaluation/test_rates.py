"""What the data sets print: MPII's PCKh by group, LSP's PCK and PCP, FLIC's PDJ, and their resampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from occbench.attacks import FLIC, LSP, MPII, Skeleton
from occbench.evaluation import pck
from occbench.evaluation.bootstrap import Resampled, Weights, ap_intervals, compare
from occbench.evaluation.rates import METRICS, Group, RateTable, resample_rates
from occbench.system.compat import setup_mmpose

from .test_pck import samples

setup_mmpose()

SKELETONS = {"pckh": MPII, "pck": LSP, "pdj": FLIC}


def world(skeleton: Skeleton, seed: int = 0, n: int = 80) -> tuple[np.ndarray, ...]:
    """Predictions, truth, labels and lengths, of persons who are found well or badly."""
    rng = np.random.default_rng(seed)
    k = len(skeleton.keypoints)
    truth = rng.uniform(0, 200, (n, k, 2))
    predicted = truth + rng.normal(size=(n, k, 2)) * rng.uniform(0, 40, (n, 1, 1))
    return predicted, truth, rng.random((n, k)) < 0.8, rng.uniform(20, 120, n)


@pytest.mark.parametrize("seed", range(3))
def test_pckh_by_group_is_what_mmpose_prints_for_mpii(seed: int) -> None:
    from mmpose.evaluation import metrics

    predicted, truth, labelled, head = world(MPII, seed)
    metric = metrics.MpiiPCKAccuracy()
    metric.process([], samples(predicted - 1, truth, labelled, head, np.ones((len(truth), 4))))
    theirs = metric.compute_metrics(metric.results)
    half, tenth = METRICS["pckh"].tables(predicted, truth, labelled, head, MPII.keypoints)
    assert (half.name, tenth.name) == ("PCKh@0.5", "PCKh@0.1")
    found = resample_rates(half, np.zeros(len(truth), int), None)
    ours = dict(zip(found.keys, (100 * found.ap).tolist(), strict=True))
    for group in ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"):
        assert ours[group] == pytest.approx(theirs[f"{group} PCK"], abs=1e-9)
    assert ours[None] == pytest.approx(theirs["PCK"], abs=1e-9)
    # Of the figure at 0.1, MMPose rounds each joint's share to single precision first.
    found = resample_rates(tenth, np.zeros(len(truth), int), None)
    counted = np.setdiff1d(np.arange(16), (6, 7))
    number = tenth.hits.counted.sum(0)[counted]
    single = np.float32(100 * found.ap[[found.keys.index(int(i)) for i in counted]]).astype(np.float64)
    assert (single * number / number.sum()).sum() == pytest.approx(theirs["PCK@0.1"], abs=1e-9)
    assert 100 * found.ap[0] == pytest.approx(theirs["PCK@0.1"], abs=1e-4)


@pytest.mark.parametrize("key", ["pck", "pdj"])
@pytest.mark.parametrize("threshold", [0, 1])
def test_shares_of_the_torso_are_mmposes(key: str, threshold: int) -> None:
    from mmpose.evaluation import functional

    metric, skeleton = METRICS[key], SKELETONS[key]
    predicted, truth, labelled, torso = world(skeleton)
    table = metric.tables(predicted, truth, labelled, torso, skeleton.keypoints)[threshold]
    rates, _, _ = functional.keypoint_pck_accuracy(
        predicted, truth, labelled, metric.thresholds[threshold], np.repeat(torso[:, None], 2, axis=1)
    )
    found = resample_rates(table, np.zeros(len(truth), int), None)
    ours = dict(zip(found.keys, found.ap.tolist(), strict=True))
    at = skeleton.keypoints.index
    for i in range(len(rates)):
        assert ours[i] == pytest.approx(rates[i], abs=1e-9)
    assert ours["Wrist"] == pytest.approx((rates[at("left_wrist")] + rates[at("right_wrist")]) / 2, abs=1e-9)
    head = [at(name) for name in (("neck", "head_top") if key == "pck" else ("left_eye", "right_eye", "nose"))]
    assert ours["Head"] == pytest.approx(rates[head].mean(), abs=1e-9)
    everything = (rates * labelled.sum(0)).sum() / labelled.sum()
    assert ours[None] == pytest.approx(everything, abs=1e-9)


def test_pcp_by_limb_is_a_loop_over_limbs() -> None:
    predicted, truth, labelled, torso = world(LSP)
    table = METRICS["pck"].tables(predicted, truth, labelled, torso, LSP.keypoints)[-1]
    assert table.name == "PCP@0.5"
    found = resample_rates(table, np.zeros(len(truth), int), None)
    ours = dict(zip(found.keys, found.ap.tolist(), strict=True))
    shares = {}
    for limb, joints in (("Upper arm", "shoulder elbow"), ("Lower arm", "elbow wrist"), ("Lower leg", "knee ankle")):
        sides = []
        for side in ("left", "right"):
            a, b = (LSP.keypoints.index(f"{side}_{joint}") for joint in joints.split())
            right = total = 0
            for p, t, known in zip(predicted, truth, labelled, strict=True):
                if known[a] and known[b]:
                    half = 0.5 * np.hypot(*(t[a] - t[b]))
                    total += 1
                    right += bool(np.hypot(*(p[a] - t[a])) <= half and np.hypot(*(p[b] - t[b])) <= half)
            sides.append(right / total)
        shares[limb] = np.mean(sides)
        assert ours[limb] == pytest.approx(shares[limb], abs=1e-12)
    four = [ours[limb] for limb in ("Upper arm", "Lower arm", "Upper leg", "Lower leg")]
    assert ours[None] == pytest.approx(np.mean(four), abs=1e-12)


def test_a_person_without_a_prediction_has_nothing_right_and_one_without_a_length_does_not_count() -> None:
    predicted, truth, labelled, head = world(MPII)
    predicted = truth.copy()
    predicted[3], head[5] = np.nan, np.nan
    labelled[:] = True
    table = METRICS["pckh"].tables(predicted, truth, labelled, head, MPII.keypoints)[0]
    assert not table.hits.hit[3].any()
    assert table.hits.counted[3].all()
    assert not table.hits.counted[5].any()
    found = resample_rates(table, np.zeros(len(truth), int), None)
    assert found.n[0] == 79
    assert found.ap[0] == pytest.approx(78 / 79)


def test_intervals_resample_images_not_persons() -> None:
    """The draws are those of a plain loop that copies the persons of drawn images."""
    rng = np.random.default_rng(5)
    predicted, truth, labelled, length = world(MPII, 5, 60)
    image = rng.integers(0, 12, len(truth))
    table = METRICS["pckh"].tables(predicted, truth, labelled, length, MPII.keypoints)[0]
    weights = Weights.draw(12, 50, rng=rng)
    found = resample_rates(table, image, weights)
    values = []
    for draw in weights.draws:
        copies = np.repeat(np.arange(len(truth)), draw[image])
        hits = pck.Hits(table.hits.hit[copies], table.hits.counted[copies])
        shares = pck.mpii_rates(hits)
        pairs = [shares.rate[list(group.columns)].mean() for group in list(table.groups.values())[17:]]
        values.append([shares.pooled, *shares.rate, *pairs])
    np.testing.assert_allclose(found.draws, values, atol=1e-12)
    bounds = ap_intervals(found)
    widening = np.sqrt(found.images / (found.images - 1))
    quantiles = stats.t.ppf([[0.025], [0.975]], found.images - 1)
    levels = stats.norm.cdf(widening * quantiles)
    ends = [np.quantile(column, level) for column, level in zip(np.transpose(values), levels.T, strict=True)]
    np.testing.assert_allclose(np.stack([bounds.lo, bounds.hi], axis=1), ends, atol=1e-12)
    np.testing.assert_allclose(bounds.se, np.std(values, axis=0, ddof=1) * widening, atol=1e-12)
    seen = [len(np.unique(image[counted])) for counted in table.hits.counted.T]
    assert found.images[1:17].tolist() == seen


def test_leave_out_of_every_image_is_a_jackknife() -> None:
    predicted, truth, labelled, length = world(LSP, 6, 30)
    image = np.arange(30) % 10
    table = METRICS["pck"].tables(predicted, truth, labelled, length, LSP.keypoints)[0]
    found = resample_rates(table, image, Weights.draw(10, 5, rng=np.random.default_rng(0)))
    for left, values in enumerate(found.leave_out):
        rest = image != left
        hits = pck.Hits(table.hits.hit[rest], table.hits.counted[rest])
        assert values[0] == pytest.approx(pck.rates(hits).pooled)


def test_drops_are_paired_and_few_persons_have_no_interval() -> None:
    rng = np.random.default_rng(6)
    predicted, truth, labelled, length = world(MPII, 6, 60)
    labelled[:, 0] = np.arange(60) < 9
    image = rng.integers(0, 30, len(truth))
    weights = Weights.draw(30, 300, rng=rng)

    def cell(points: np.ndarray) -> tuple[RateTable, Resampled]:
        table = METRICS["pckh"].tables(points, truth, labelled, length, MPII.keypoints)[0]
        return table, resample_rates(table, image, weights)

    (table, clean), (worse, attacked) = cell(predicted), cell(predicted + 12)
    found = {row.key: row for row in compare(clean, attacked)}
    expected = 100 * (pck.mpii_rates(table.hits).pooled - pck.mpii_rates(worse.hits).pooled)
    assert found[None].drop == pytest.approx(expected)
    assert found[None].n == 60
    assert found[None].drop_lo > 0
    assert found[0].n == 9
    assert np.isfinite(found[0].drop)
    assert np.isnan([found[0].drop_lo, found[0].drop_hi, found[0].drop_se, found[0].p]).all()
    assert np.isfinite(found["Ankle"].drop_lo)
    same = compare(clean, clean)[0]
    assert (same.drop, same.photos) == (0, 0)
    assert np.isnan([same.drop_lo, same.drop_hi, same.p]).all()


def test_groups_of_nothing_are_no_number() -> None:
    hits = pck.Hits(np.zeros((3, 2), bool), np.array([[True, False]] * 3))
    table = RateTable("x", hits, {None: Group((0, 1)), "a": Group((1,)), "b": Group((1,), pooled=True)})
    found = resample_rates(table, np.zeros(3, int), None)
    assert found.ap[0] == 0
    assert np.isnan(found.ap[1:]).all()
    assert found.n.tolist() == [3, 0, 0]
    with pytest.raises(ValueError, match="weights are for 2 images, but a person is in image 2"):
        resample_rates(table, np.arange(3), Weights.draw(2, 3, rng=np.random.default_rng(0)))
