"""errors.csv, knows.csv, shares.csv and slices of a made run: sums, identities, and figures by other ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import Attack
from occbench.evaluation.cells import evaluate_cell
from occbench.evaluation.errors import KINDS
from occbench.evaluation.types import Detections, GroundTruth
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import to_detections
from occbench.system.errors import OccbenchError
from occbench.tables.dose import ShareTable
from occbench.tables.errors import ErrorTable
from occbench.tables.knows import KnowsTable
from occbench.tables.results import score_results
from occbench.tables.scoring import Scoring
from occbench.tables.shares import GROWN, body_pixels
from occbench.tables.slices import as_table, crowd_indices, slice_drops

from .made import MadeRun, made_run
from .test_natural import AREA, coco, noise_of

NOSE, ARM = Attack("keypoint", "noise", "nose"), Attack("part", "noise", "left_arm")
SCORING = Scoring(draws=200)


def made(scale: float = 4.0) -> MadeRun:
    """A clean cell, the nose hidden, and the left arm hidden: hidden joints are far off and have a score of .1."""
    dataset = coco()
    noise = noise_of(dataset)
    truth = np.array([person.keypoints for person in dataset.persons])
    flags = np.array([person.visibility for person in dataset.persons])
    members: Mapping[Attack | None, list[int]] = {None: [], NOSE: [0], ARM: [5, 7, 9]}
    cells: dict[Attack | None, CellPredictions] = {}
    for attack, hidden in members.items():
        found = CellPredictions.empty(attack, len(truth), 17)
        points, scores = truth + noise, np.full(truth.shape[:2], 0.9, np.float32)
        covered = np.zeros(truth.shape[:2], bool)
        covered[:, hidden] = flags[:, hidden] > 0
        points[covered] += scale * noise[covered] + 5
        scores[covered] = 0.1
        cells[attack] = replace(
            found, keypoints=points.astype(np.float32), scores=scores, covered=covered, attacked=covered.any(1)
        )
    return made_run(dataset, SCORING, cells, AREA)


class Framed(MadeRun):
    """The same in crops around the persons."""

    @property
    def geometry(self) -> np.ndarray:  # type: ignore[override]
        found = np.full((len(self.dataset.persons), 5), np.nan, np.float32)
        for row, person in zip(found, self.dataset.persons, strict=True):
            points = person.keypoints[person.labelled]
            row[:2] = points.mean(0)
            row[2] = 1.5 * max(np.ptp(points[:, 0]), 0.75 * np.ptp(points[:, 1]), 10)
            row[3] = row[2] * 4 / 3
        return found


@pytest.fixture(scope="module")
def run() -> MadeRun:
    return made()


@pytest.fixture(scope="module")
def errors(run: MadeRun) -> pd.DataFrame:
    return ErrorTable().of(run)


def test_joints_sum_to_those_of_the_persons_counted(run: MadeRun, errors: pd.DataFrame) -> None:
    flags = np.array([person.visibility for person in run.dataset.persons]) > 0
    for attack in (NOSE, ARM):
        cell = run.read(attack)
        rows = errors[(errors["target"] == attack.target)]
        for joints, which in (("own", cell.covered), ("collateral", ~cell.covered)):
            mine = rows[rows["joints"] == joints]
            counted = which & flags & cell.attacked[:, None]
            assert mine["n"].sum() == counted.sum() == mine["total"].iloc[0]
            assert mine["persons"].unique().tolist() == [counted.any(1).sum()]
            assert mine["share"].sum() == pytest.approx(1)
            given = mine.groupby("clean")["of_clean"].sum()
            assert given[mine.groupby("clean")["n"].sum() > 0].to_numpy() == pytest.approx(1)
    nose = errors[(errors["target"] == "nose") & (errors["joints"] == "own")]
    assert nose["n"].sum() == nose["persons"].iloc[0]  # one joint a person


def test_the_clean_cell_to_itself_is_the_identity(errors: pd.DataFrame) -> None:
    clean = errors[errors["level"] == "clean"]
    assert (clean.loc[clean["clean"] != clean["attacked"], "n"] == 0).all()
    assert set(clean["clean"]) == set(KINDS[:5])
    assert clean["n"].sum() > 100


def test_several_targets_together_are_their_sum(run: MadeRun) -> None:
    wrist = Attack("part", "noise", "right_arm")
    cells = {None: run.clean, ARM: run.read(ARM), wrist: replace(run.read(ARM), attack=wrist)}
    table = ErrorTable().of(made_run(run.dataset, SCORING, cells, AREA))
    one, together = (table[(table["target"] == name) & (table["joints"] == "own")] for name in ("left_arm", "all"))
    np.testing.assert_array_equal(together["n"], 2 * one["n"].to_numpy())
    np.testing.assert_allclose(together["of_clean_lo"], one["of_clean_lo"].to_numpy())


def test_intervals_hold_the_share_and_are_absent_where_all_or_none_go(errors: pd.DataFrame) -> None:
    given = errors[errors["of_clean_lo"].notna()]
    assert len(given) > 5
    assert (given["of_clean_lo"] <= given["of_clean"]).all()
    assert (given["of_clean"] <= given["of_clean_hi"]).all()
    assert errors.loc[errors["share"].isin([0, 1]), "share_lo"].isna().all()


def test_a_visibility_output_is_measured_as_the_confidence_is(run: MadeRun) -> None:
    """With the scores for visibility, their figures; with scores that say nothing, those of the visibility alone."""
    alike = KnowsTable().of(replace(run, visibility="scores"))
    pairs = [("score", "visibility"), ("score_visible", "visibility_visible")]
    for name in ("auroc", "auroc_clean"):
        pairs += [(f"{name}{end}", f"{name}_visibility{end}") for end in ("", "_lo", "_hi")]
    for name, other in pairs:
        np.testing.assert_array_equal(alike[name], alike[other], err_msg=other)
    assert not {other for _, other in pairs} & set(KnowsTable().of(run).columns)

    flat = {
        attack: replace(
            run.read(attack), scores=np.full_like(run.clean.scores, 0.7), visibility=run.read(attack).scores
        )
        for attack in (None, NOSE, ARM)
    }
    beside = KnowsTable().of(replace(made_run(run.dataset, SCORING, flat, AREA), visibility="beside"))
    for name, other in pairs[2:]:
        np.testing.assert_array_equal(beside[other], alike[name], err_msg=other)
    assert (beside["auroc"] == 0.5).all()
    assert (beside["auroc_clean"].dropna() == 0.5).all()


def test_cells_from_before_visibility_was_kept_have_none(run: MadeRun) -> None:
    table = KnowsTable().of(replace(run, visibility="beside"))
    assert table["auroc"].notna().all()
    assert not set(table.columns) & {"visibility", "auroc_visibility"}


def test_confidence_that_falls_where_joints_are_hidden_is_found(run: MadeRun) -> None:
    table = KnowsTable().of(run)
    hidden = table[table["kind"] == "hidden"]
    assert (hidden[["auroc", "auroc_clean"]] == 1).all(axis=None)
    assert hidden["n"].tolist() == [run.read(a).covered.sum() for a in (NOSE, ARM)]
    natural = table[table["kind"] == "occluded"].iloc[0]
    assert natural["auroc"] == 0.5  # the clean cell has one score for all
    assert natural["auroc_lo"] == natural["auroc_hi"] == 0.5


def test_pixels_of_a_body_are_those_near_its_hull() -> None:
    from scipy.spatial import ConvexHull, Delaunay

    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(192), np.arange(256))
    pixels = np.stack([x.ravel(), y.ravel()], 1).astype(float)
    for n in (3, 5, 17):
        points = rng.uniform(-20, 200, (n, 2))
        ring = points[ConvexHull(points).vertices]
        steps = np.linspace(0, 1, 400)[:, None]
        border = np.concatenate([a + steps * (b - a) for a, b in zip(ring, np.roll(ring, -1, 0), strict=True)])
        near = np.array([((border - p) ** 2).sum(1).min() <= GROWN**2 for p in pixels])
        expected = (near | (Delaunay(points).find_simplex(pixels) >= 0)).sum()
        assert body_pixels(points, (256, 192)) == pytest.approx(expected, rel=3e-3)  # the border is of points
    assert body_pixels(np.array([[50.0, 50.0]]), (256, 192)) == 113  # a disc of radius 6
    line = np.array([[50.0, 50.0], [60.0, 50.0]])
    assert body_pixels(line, (256, 192)) == 113 + 10 * 13
    assert body_pixels(np.array([[-50.0, -50.0]]), (256, 192)) == 0


def test_pixels_of_a_body_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(1)
    for i in range(120):
        points = rng.normal(size=(rng.integers(1, 18), 2)) * rng.choice([1, 20, 60]) + rng.uniform(-20, 220, 2)
        points = np.rint(points * (1 if i % 3 else 16)) / (1 if i % 3 else 16)  # borders through centres of pixels
        points[:, i % 2] = points[0, i % 2] if i % 7 == 0 else points[:, i % 2]  # on one line
        assert body_pixels(points, (256, 192)) == near_hull(points, (256, 192))


def near_hull(points: np.ndarray, size: tuple[int, int]) -> int:
    """Every pixel measured against every edge."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2).astype(np.float64)
    pixels = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1).reshape(-1, 2).astype(np.float64)
    far, turns = [], []
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        side, along = b - a, pixels - a
        t = np.clip(along @ side / max(side @ side, 1e-12), 0, 1)
        far.append(np.hypot(*(along - t[:, None] * side).T))
        turns.append(side[0] * along[:, 1] - side[1] * along[:, 0])
    turned = np.array(turns)
    inside = ((turned >= 0).all(0) | (turned <= 0).all(0)) & (len(hull) > 2)
    return int((inside | (np.min(far, axis=0) <= GROWN + 1e-9)).sum())


def test_shares_and_losses_of_all_attacks_together(run: MadeRun) -> None:
    framed = Framed(run.folder, run.dataset, run.scoring, run.crop_size, run.attacks, run.names, made=run.made)
    table = ShareTable().of(framed)
    nose, arm = (table[table["target"] == target].iloc[0] for target in ("nose", "left_arm"))
    assert nose["n"] == run.read(NOSE).attacked.sum()
    assert nose["keypoints"] == 1
    assert 1 < arm["keypoints"] <= 3
    together = table[(table["level"] == "all") & (table["fill"] == "noise")]
    whole, bins = together[together["share_from"].isna()].iloc[0], together[together["share_from"].notna()]
    assert whole["n"] == bins["n"].sum() == nose["n"] + arm["n"]
    assert whole["loss"] == pytest.approx((nose["n"] * nose["loss"] + arm["n"] * arm["loss"]) / whole["n"])
    assert whole["excess"] == pytest.approx(0)  # the one fill is all fills
    assert (bins["share_from"] <= bins["share"]).all()


def some_persons(truth: GroundTruth, keep: np.ndarray) -> GroundTruth:
    arrays = ("image", "keypoints", "visibility", "bbox", "area", "num_keypoints", "crowd", "ids")
    return GroundTruth(truth.image_ids, **{name: getattr(truth, name)[keep] for name in arrays})


@pytest.mark.parametrize("by", ["size", "hidden"])
def test_the_drop_of_a_slice_is_that_of_its_persons_alone(run: MadeRun, by: str) -> None:
    found = as_table(slice_drops(run, by)[0])
    truth, areas = run.dataset.truth, run.areas
    for name, rows in found.groupby("slice"):
        row = rows[rows["target"] == "left_arm"].iloc[0]
        if by == "size":
            low, high = {"s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, np.inf)}[str(name)[0]]
            keep = (truth.area >= low) & (truth.area < high)
        else:
            share = (truth.visibility == 1).sum(1) / np.maximum((truth.visibility > 0).sum(1), 1)
            keep = {"n": share == 0, "u": (share > 0) & (share <= 0.25), "m": share > 0.25}[str(name)[0]]
        aps = []
        for cell in (run.clean, run.read(ARM)):
            all_ = to_detections(run.dataset, cell.keypoints, cell.scores, areas)
            assert all_.owner is not None
            mine = keep[all_.owner]
            alone = Detections(all_.image[mine], all_.keypoints[mine], all_.scores[mine])
            aps.append(evaluate_cell(some_persons(truth, keep), alone, run.dataset.sigmas)[None].exact)
        if row["n"] >= 10:
            assert row["drop"] == pytest.approx(100 * (aps[0] - aps[1]), abs=1e-9)
        else:
            assert np.isnan(row["drop"])


def test_slices_of_a_file(run: MadeRun, tmp_path: Path) -> None:
    ids = run.dataset.truth.ids
    file = tmp_path / "mine.csv"
    pd.DataFrame({"annotation_id": ids[5:], "sport": np.where(ids[5:] % 2, "ski", "golf")}).to_csv(file, index=False)
    drops, said = slice_drops(run, str(file))
    assert {(drop.by, drop.slice) for drop in drops} == {("sport", "ski"), ("sport", "golf")}
    assert "5 of" in said[0]
    pd.DataFrame({"image_id": run.dataset.truth.image_ids, "light": run.dataset.truth.image_ids}).to_csv(
        file, index=False
    )
    assert len({drop.slice for drop in slice_drops(run, str(file))[0]}) == 3
    for content, words in (
        ("a,b\n1,2\n", "annotation_id"),
        ("image_id,a\n-5,2\n", "none of"),
        ("image_id,a\n1,2\n1,3\n", "twice"),
    ):
        file.write_text(content)
        with pytest.raises(OccbenchError, match=words):
            slice_drops(run, str(file))
    with pytest.raises(OccbenchError, match="none of"):
        slice_drops(run, "colour")


def test_a_crowd_index_counts_the_joints_of_others() -> None:
    truth = some_persons(coco().truth, np.arange(2))
    points = np.zeros((2, 17, 2))
    points[0, :, 0], points[1, :, 0] = np.linspace(0, 100, 17), np.linspace(90, 190, 17)
    boxes = np.array([[0.0, -1, 100, 2], [90.0, -1, 100, 2]])
    image = np.full(2, truth.image_ids[0])
    both = replace(truth, keypoints=points, bbox=boxes, image=image, visibility=np.full((2, 17), 2))
    within = [(points[1, :, 0] <= 100).sum() / 17, (points[0, :, 0] >= 90).sum() / 17]
    assert crowd_indices(both)[int(truth.image_ids[0])] == pytest.approx(np.mean(within))
    assert crowd_indices(both)[int(truth.image_ids[1])] == 0


def test_results_of_anybody_with_left_and_right_changed(tmp_path: Path) -> None:
    dataset = coco()
    truth = dataset.truth
    mirror = np.array(dataset.skeleton.flip_indices)
    files = {}
    for name, points in (("clean", truth.keypoints), ("mirrored", truth.keypoints[:, mirror])):
        triples = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
        records = [
            {"image_id": int(image), "category_id": 1, "keypoints": pose.ravel().tolist(), "score": 0.9}
            for image, pose in zip(truth.image, triples, strict=True)
        ]
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(records))
    found = score_results(dataset, [files["mirrored"]], files["clean"], Scoring(draws=50)).errors
    clean, mirrored = (found[found["level"] == level] for level in ("clean", "results"))
    assert clean.loc[clean["n"] > 0, "attacked"].tolist() == ["good"]
    counts = mirrored[mirrored["clean"] == "good"].set_index("attacked")["n"]
    assert counts["inversion"] > 0.5 * (counts.sum() - counts["lost"])  # who is matched, that is
    assert counts.sum() == clean["total"].iloc[0]
