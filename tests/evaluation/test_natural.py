"""Natural beside synthetic loss, each figure against a separate evaluation, and the correlation against SciPy's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from occbench.attacks import COCO, LSP
from occbench.evaluation.bootstrap import Resampled, Weights, prepare, resample
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.natural import flag_masks, flag_table, natural_table
from occbench.evaluation.rates import METRICS, resample_rates
from occbench.evaluation.types import Detections, GroundTruth

from .worlds import SIGMAS, population, predictions

K = 17


def cells(seed: int = 0, draws: int = 60) -> tuple[GroundTruth, Detections, list[Detections], Weights]:
    """People, clean predictions (worse where a keypoint is occluded), and one attacked cell per keypoint."""
    rng = np.random.default_rng(seed)
    truth = population(rng, images=40, persons=160)
    found = predictions(rng, truth, 0.03)
    hardness = np.linspace(0, 1, K)
    noise = rng.normal(size=found.keypoints.shape)
    first = np.arange(len(truth))
    occluded = truth.visibility[:, :, None] == 1
    clean = found.keypoints.copy()
    clean[first] += noise[first] * occluded * hardness[None, :, None] * 40
    found = Detections(found.image, clean, found.scores)
    attacked = []
    for k in range(K):
        points = clean.copy()
        points[:, k] += noise[:, k] * hardness[k] * 25
        attacked.append(Detections(found.image, points, found.scores))
    return truth, found, attacked, Weights.draw(40, draws, rng=rng)


def test_every_figure_is_that_of_a_separate_evaluation() -> None:
    truth, found, attacked, weights = cells()
    masks = flag_masks(truth)
    natural = resample(prepare(truth, found, SIGMAS, masks=masks), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    table = natural_table(natural, clean, hidden)
    whole = evaluate_cell(truth, found, SIGMAS)
    for row, cell in zip(table.rows, attacked, strict=True):
        k = row.keypoint
        for n, figure, flag in ((row.n_visible, row.visible, 2), (row.n_occluded, row.occluded, 1)):
            # As if the keypoint were labelled only where the flag is: an own data set, an own evaluation.
            flagged = np.where(truth.visibility == flag, flag, 0)
            alone = evaluate_cell(replace(truth, visibility=flagged), found, SIGMAS)[k]
            assert n == alone.n == (truth.visibility[:, k] == flag).sum()
            assert figure == pytest.approx(100 * alone.ap, abs=1e-9)
        assert row.natural == pytest.approx(row.visible - row.occluded, abs=1e-9)
        after = evaluate_cell(truth, cell, SIGMAS)[k]
        assert row.synthetic == pytest.approx(100 * (whole[k].ap - after.ap), abs=1e-9)
        assert row.synthetic_lo <= row.synthetic <= row.synthetic_hi
        assert row.natural_lo <= row.natural_hi
    pair = [[getattr(row, name) for row in table.rows] for name in ("natural", "synthetic")]
    assert table.rho == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-12)
    assert table.n == K
    # Both losses were made to rise along the keypoints.
    assert table.rho > 0.5
    assert -1 <= table.rho_lo < table.rho < table.rho_hi <= 1


def test_the_interval_of_the_correlation_is_that_of_the_draws() -> None:
    truth, found, attacked, weights = cells(1)
    natural = resample(prepare(truth, found, SIGMAS, masks=flag_masks(truth)), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    table = natural_table(natural, clean, hidden)
    drawn = []
    for b in range(len(weights.draws)):
        lost = natural.draws[b, 0::2] - natural.draws[b, 1::2]
        dropped = [clean.draws[b, 1 + k] - cell.draws[b, 1 + k] for k, cell in enumerate(hidden) if cell is not None]
        drawn.append(stats.spearmanr(lost, dropped).statistic)
    widening = np.sqrt(40 / 39)
    ends = np.quantile(drawn, stats.norm.cdf(widening * stats.t.ppf([0.025, 0.975], 39)))
    assert [table.rho_lo, table.rho_hi] == pytest.approx(ends.tolist(), abs=1e-12)


def test_rates_split_by_flag() -> None:
    rng = np.random.default_rng(2)
    k = len(LSP.keypoints)
    truth = rng.uniform(0, 100, (70, k, 2))
    flags = rng.choice([0, 1, 2], (70, k), p=[0.1, 0.3, 0.6])
    predicted = truth + rng.normal(size=truth.shape) * np.where(flags == 1, 12, 5)[..., None]
    length = rng.uniform(30, 60, 70)
    image = np.arange(70) % 25
    weights = Weights.draw(25, 40, rng=rng)

    def table(points: np.ndarray):  # type: ignore[no-untyped-def]
        return METRICS["pck"].tables(points, truth, flags > 0, length, LSP.keypoints)[0]

    split = flag_table(table(predicted), flags)
    natural, clean = resample_rates(split, image, weights), resample_rates(table(predicted), image, weights)
    hidden: list[Resampled | None] = [resample_rates(table(predicted + 6), image, weights) for _ in range(k)]
    hidden[3] = None
    found = natural_table(natural, clean, hidden)
    near = np.linalg.norm(predicted - truth, axis=2) < 0.2 * length[:, None]
    for row in found.rows:
        i = row.keypoint
        assert row.visible == pytest.approx(100 * near[flags[:, i] == 2, i].mean())
        assert row.occluded == pytest.approx(100 * near[flags[:, i] == 1, i].mean())
        assert row.n_occluded == (flags[:, i] == 1).sum()
    assert np.isnan(found.rows[3].synthetic)
    assert found.n == k - 1
    assert np.mean([row.natural for row in found.rows]) > 20


def test_few_occluded_persons_make_no_interval_and_no_rank() -> None:
    truth, found, attacked, weights = cells(3, draws=20)
    flags = truth.visibility.copy()
    flags[:, 5:][flags[:, 5:] == 1] = 2
    truth = replace(truth, visibility=flags)
    natural = resample(prepare(truth, found, SIGMAS, masks=flag_masks(truth)), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    table = natural_table(natural, clean, hidden)
    assert table.n == 5
    assert table.rows[9].n_occluded == 0
    assert np.isnan([table.rows[9].natural, table.rows[9].natural_lo]).all()
    few = natural_table(natural, clean, [*hidden[:2], *[None] * 15])
    assert few.n == 2
    assert np.isnan([few.rho, few.rho_lo, few.rho_hi]).all()


def test_cells_of_other_draws_are_refused() -> None:
    truth, found, _, weights = cells(4, draws=5)
    natural = resample(prepare(truth, found, SIGMAS, masks=flag_masks(truth)), weights)
    other = Weights.draw(40, 5, rng=np.random.default_rng(9))
    clean = resample(prepare(truth, found, SIGMAS), other)
    with pytest.raises(ValueError, match="different draws"):
        natural_table(natural, clean, [None] * len(COCO.keypoints))
