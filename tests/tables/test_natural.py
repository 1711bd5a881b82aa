"""natural.csv of a run: every figure against an evaluation of its own, for AP and for PCK sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from occbench.attacks import COCO, Attack, Placement
from occbench.data.persons import Dataset, Person, Photo
from occbench.evaluation.bootstrap import Weights, compare, prepare, resample
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.pck import pck_hits
from occbench.evaluation.types import GroundTruth
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import to_detections
from occbench.tables.natural import Natural, has_flags, keypoint_kinds
from occbench.tables.rows import Row
from occbench.tables.scoring import Scoring

from ..evaluation.worlds import SIGMAS, population
from .made import MadeRun, made_run
from .test_rates import world

AREA = 250.0**2


def attack(target: str, fill: str = "blackout", radius: float = 6, placement: str = "centred") -> Attack:
    return Attack("keypoint", fill, target, radius=radius, placement=Placement.parse(placement))  # type: ignore[arg-type]


def cell(
    dataset: Dataset, noise: np.ndarray, which: Attack | None, hidden: int | None, worse: float
) -> CellPredictions:
    """The truth shaken; one keypoint more so."""
    found = CellPredictions.empty(which, len(dataset.persons), noise.shape[1])
    points = np.array([person.keypoints for person in dataset.persons]) + noise
    if hidden is not None:
        points[:, hidden] += worse * noise[:, hidden]
    return replace(found, keypoints=points.astype(np.float32), scores=np.full(noise.shape[:2], 0.9, np.float32))


def run_of(dataset: Dataset, scoring: Scoring, attacks: Sequence[Attack]) -> MadeRun:
    """A clean cell and one per attack, worse the further down the skeleton the hidden keypoint stands."""
    names, noise = dataset.skeleton.keypoints, noise_of(dataset)
    cells: dict[Attack | None, CellPredictions] = {None: cell(dataset, noise, None, None, 0)}
    for a in attacks:
        hidden = names.index(a.target) if a.level == "keypoint" else None
        cells[a] = cell(dataset, noise, a, hidden, (hidden or 0) / 4)
    return made_run(dataset, scoring, cells, AREA)


def coco(seed: int = 0) -> Dataset:
    """Persons of a made data set, each with a box; occluded keypoints are annotated as such."""
    rng = np.random.default_rng(seed)
    truth = population(rng, images=40, persons=150)
    photos = {int(i): Photo(int(i), f"{i}.jpg", Path(f"{i}.jpg"), 640, 480) for i in truth.image_ids}
    persons = tuple(
        Person(
            int(truth.ids[g]),
            int(truth.ids[g]),
            photos[int(truth.image[g])],
            np.array([0, 0, 9, 9], np.float32),
            float(rng.uniform(0.5, 1)),
            truth.keypoints[g].astype(np.float32),
            truth.visibility[g],
        )
        for g in np.flatnonzero((truth.num_keypoints > 0) & ~truth.crowd)
    )
    return Dataset("made", COCO, SIGMAS, photos, persons, truth, Path("made.json"), Path())


def noise_of(dataset: Dataset, seed: int = 1) -> np.ndarray:
    """Larger where a keypoint is occluded, and larger for later keypoints."""
    rng = np.random.default_rng(seed)
    flags = np.array([person.visibility for person in dataset.persons])
    k = flags.shape[1]
    return rng.normal(size=(*flags.shape, 2)) * (4 + (flags == 1) * np.linspace(0, 30, k))[..., None]


def by_keypoint(rows: list[Row], fill: str) -> dict[str, Row]:
    return {row["keypoint"]: row for row in rows if row["fill"] == fill}


def test_ap_of_a_run() -> None:
    dataset = coco()
    attacks = [
        attack(name, fill, radius) for name in COCO.keypoints for fill in ("blackout", "blur") for radius in (6, 9)
    ]
    run = run_of(dataset, Scoring(draws=80, seed=3), attacks)
    areas = np.full(len(dataset.persons), AREA)
    rows = Natural().rows(run)
    assert [row["fill"] for row in rows] == ["blackout"] * 18 + ["blur"] * 18
    assert {row["radius"] for row in rows} == {6}  # the smallest

    def detections(which: Attack | None):  # type: ignore[no-untyped-def]
        found = run.read(which)
        return to_detections(dataset, found.keypoints, found.scores, areas)

    truth, clean = dataset.truth, detections(None)
    kinds = keypoint_kinds(COCO.keypoints)
    assert [COCO.keypoints[kind[-1]] for kind in kinds][:3] == ["nose", "right_eye", "right_ear"]
    whole = evaluate_cell(truth, clean, SIGMAS)
    weights = Weights.draw(len(truth.image_ids), 80, rng=np.random.default_rng(3))
    found = by_keypoint(rows, "blur")
    for k, name in enumerate(COCO.keypoints):
        row, exact = found[name], {}
        for n, figure, flag in ((row["n_visible"], row["visible"], 2), (row["n_occluded"], row["occluded"], 1)):
            # As if the keypoint were labelled only where the flag is: an own data set, an own evaluation.
            flagged = np.where(truth.visibility == flag, flag, 0)
            alone = evaluate_cell(replace(truth, visibility=flagged), clean, SIGMAS)[k]
            exact[flag] = alone.exact
            assert n == alone.n
            assert figure == pytest.approx(alone.ap, abs=1e-9)
        assert row["natural"] == pytest.approx(100 * (exact[2] - exact[1]), abs=1e-9)
        hidden = detections(attack(name, "blur"))
        own = compare(
            resample(prepare(truth, clean, SIGMAS), weights), resample(prepare(truth, hidden, SIGMAS), weights)
        )[1 + k]
        assert row["synthetic"] == pytest.approx(100 * (whole[k].exact - evaluate_cell(truth, hidden, SIGMAS)[k].exact))
        bounds = pytest.approx((own.drop_lo, own.drop_hi), abs=1e-3, nan_ok=True)  # of the nose nothing changes
        assert (row["synthetic_lo"], row["synthetic_hi"]) == bounds
        assert row["natural_lo"] < row["natural_hi"]
        assert row["standardised_lo"] < row["standardised_hi"]
    last = found["all"]
    assert last["n_keypoints"] == len(kinds) == 9
    assert last["rho"] > 0.5  # both losses were made to rise along the keypoints
    assert last["rho_p"] < 0.1
    assert last["rho_lo"] < last["rho"] <= last["rho_hi"]


def test_shares_of_a_run() -> None:
    dataset, _ = world("pck", persons=80)
    names = dataset.skeleton.keypoints
    run = run_of(dataset, Scoring(draws=40), [attack(name) for name in names[1:]])
    rows = Natural().rows(run)
    found = by_keypoint(rows, "blackout")
    truth, lengths = dataset.truth, np.asarray(dataset.lengths)

    def near(which: Attack | None) -> np.ndarray:
        predicted = run.read(which).keypoints.astype(np.float64)
        return pck_hits(predicted, truth.keypoints, truth.visibility > 0, lengths, 0.2).hit

    for k, name in enumerate(names):
        flags, right = truth.visibility[:, k], near(None)[:, k]
        row = found[name]
        assert row["metric"] == "PCK@0.2"
        assert (row["n_visible"], row["n_occluded"]) == ((flags == 2).sum(), (flags == 1).sum())
        assert row["visible"] == pytest.approx(right[flags == 2].mean())
        assert row["occluded"] == pytest.approx(right[flags == 1].mean())
        if k == 0:
            assert np.isnan(row["synthetic"])  # it was not hidden
            continue
        after = near(attack(name))[:, k]
        assert row["synthetic"] == pytest.approx(100 * (right[flags > 0].mean() - after[flags > 0].mean()))
    # Left and right are one kind, which has both losses only where both were hidden.
    assert found["all"]["n_keypoints"] == len(keypoint_kinds(names)) - 1


@pytest.mark.parametrize(
    ("attacks", "flags"),
    [
        ([], lambda v: v),
        ([attack("nose", placement="decoys:2"), Attack("part", "blackout", "head")], lambda v: v),
        ([attack("nose")], lambda v: np.where(v == 1, 2, v)),
        ([attack("nose")], lambda v: np.where(v == 2, 1, v)),
    ],
    ids=["nothing hidden", "no centred keypoint", "nothing occluded", "nothing visible"],
)
def test_there_is_nothing_to_put_side_by_side(attacks: list[Attack], flags: Callable[[np.ndarray], np.ndarray]) -> None:
    dataset = coco()
    truth: GroundTruth = replace(dataset.truth, visibility=flags(dataset.truth.visibility))
    dataset = replace(dataset, truth=truth)
    assert not Natural().applies(run_of(dataset, Scoring(draws=10), attacks))


def test_without_draws_there_are_no_intervals() -> None:
    dataset = coco()
    run = run_of(dataset, Scoring(draws=0), [attack(name) for name in COCO.keypoints[:4]])
    assert Natural().applies(run)
    table = Natural().of(run)
    assert list(table.columns) == list(Natural.columns)
    bounds = [name for name in table.columns if name.endswith(("_lo", "_hi"))]
    assert table[bounds].isna().all(axis=None)
    assert table["natural"].notna().sum() == 17
    assert table["synthetic"].notna().sum() == 4
    assert table["rho"].notna().sum() == 0  # two kinds have both losses


def test_flags_of_crowds_do_not_count() -> None:
    truth = coco().truth
    assert has_flags(truth)
    assert not has_flags(replace(truth, crowd=np.ones(len(truth), dtype=bool)))
