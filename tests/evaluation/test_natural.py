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
from occbench.evaluation.owners import owned
from occbench.evaluation.rates import METRICS, resample_rates
from occbench.evaluation.standardised import Compared, compared_areas, compared_rates
from occbench.evaluation.types import Detections, GroundTruth

from .worlds import SIGMAS, population, predictions

K = 17
KINDS = [[0], *([k, k + 1] for k in range(1, K, 2))]


def alike(truth: GroundTruth, found: Detections, weights: Weights) -> list[Compared]:
    matches = prepare(truth, owned(truth, found, SIGMAS), SIGMAS, masks=flag_masks(truth)).matches
    return [compared_areas(truth, matches, (2 * k, 2 * k + 1), k, weights) for k in range(truth.k)]


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
    natural = resample(prepare(truth, owned(truth, found, SIGMAS), SIGMAS, masks=masks), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    table = natural_table(natural, alike(truth, found, weights), clean, hidden, KINDS)
    whole = evaluate_cell(truth, found, SIGMAS)
    for row, cell in zip(table.rows, attacked, strict=True):
        k, exact = row.keypoint, {}
        for n, figure, flag in ((row.n_visible, row.visible, 2), (row.n_occluded, row.occluded, 1)):
            # As if the keypoint were labelled only where the flag is: an own data set, an own evaluation.
            flagged = np.where(truth.visibility == flag, flag, 0)
            alone = evaluate_cell(replace(truth, visibility=flagged), owned(truth, found, SIGMAS), SIGMAS)[k]
            assert n == alone.n == (truth.visibility[:, k] == flag).sum()
            exact[flag] = alone.exact
            assert figure == pytest.approx(100 * alone.ap, abs=1e-9)
        assert row.natural == pytest.approx(100 * (exact[2] - exact[1]), abs=1e-9)
        after = evaluate_cell(truth, cell, SIGMAS)[k]
        assert row.synthetic == pytest.approx(100 * (whole[k].exact - after.exact), abs=1e-9)
        if k:  # of the nose nothing changes
            assert row.synthetic_lo <= row.synthetic <= row.synthetic_hi
        assert row.natural_lo <= row.natural_hi
        assert row.standardised_lo <= row.standardised <= row.standardised_hi
    # Both losses were made to rise along the keypoints.
    assert table.n == len(KINDS)
    assert table.rho > 0.5
    assert table.p < 0.1


def test_the_correlation_is_of_relative_losses_by_kind() -> None:
    truth, found, attacked, weights = cells(1)
    masks = flag_masks(truth)
    natural = resample(prepare(truth, owned(truth, found, SIGMAS), SIGMAS, masks=masks), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    comparable = alike(truth, found, weights)
    table = natural_table(natural, comparable, clean, hidden, KINDS)
    lost = [1 - c.occluded[0] / c.visible[0] for c in comparable]
    dropped = [1 - cell.exact[1 + k] / clean.exact[1 + k] for k, cell in enumerate(hidden) if cell is not None]
    pair = [[np.mean([side[k] for k in kind]) for kind in KINDS] for side in (lost, dropped)]
    assert table.rho == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-12)
    drawn = []
    for b in range(len(weights.draws)):
        lost = [1 - c.occluded[1 + b] / c.visible[1 + b] for c in comparable]
        dropped = [
            1 - cell.draws[b, 1 + k] / clean.draws[b, 1 + k] for k, cell in enumerate(hidden) if cell is not None
        ]
        drawn.append(
            stats.spearmanr(*([np.mean([side[k] for k in kind]) for kind in KINDS] for side in (lost, dropped)))
        )
    ends = np.quantile([one.statistic for one in drawn], [0.025, 0.975])
    assert (table.rho_lo, table.rho_hi) == pytest.approx(tuple(ends), abs=1e-12)
    shuffled = np.random.default_rng(5)
    chance = [abs(stats.spearmanr(shuffled.permutation(pair[0]), pair[1]).statistic) for _ in range(3000)]
    assert table.p == pytest.approx(np.mean(np.array(chance) >= abs(table.rho) - 1e-12), abs=0.03)


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
    persons = population(rng, images=25, persons=70, k=k)
    persons = replace(persons, image_ids=np.arange(25), image=image, visibility=flags)
    hits = table(predicted).hits
    comparable = [compared_rates(persons, hits.hit[:, i], hits.counted[:, i], i, weights) for i in range(k)]
    found = natural_table(natural, comparable, clean, hidden, [[i] for i in range(k)])
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
    natural = resample(prepare(truth, owned(truth, found, SIGMAS), SIGMAS, masks=flag_masks(truth)), weights)
    clean = resample(prepare(truth, found, SIGMAS), weights)
    hidden: list[Resampled | None] = [resample(prepare(truth, cell, SIGMAS), weights) for cell in attacked]
    table = natural_table(natural, alike(truth, found, weights), clean, hidden, KINDS)
    assert table.n == 3
    assert table.rows[9].n_occluded == 0
    assert np.isnan([table.rows[9].natural, table.rows[9].natural_lo]).all()
    few = natural_table(natural, alike(truth, found, weights), clean, [*hidden[:3], *[None] * 14], KINDS)
    assert few.n == 2
    assert np.isnan([few.rho, few.rho_lo, few.rho_hi, few.p]).all()


def test_cells_of_other_draws_are_refused() -> None:
    truth, found, _, weights = cells(4, draws=5)
    natural = resample(prepare(truth, found, SIGMAS, masks=flag_masks(truth)), weights)
    other = Weights.draw(40, 5, rng=np.random.default_rng(9))
    clean = resample(prepare(truth, found, SIGMAS), other)
    with pytest.raises(ValueError, match="different draws"):
        natural_table(natural, [], clean, [None] * len(COCO.keypoints), KINDS)
