"""Controls and confidence: the numbers behind "robust, or reading the occluder as a marker?" and "does it know?"."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from occbench.reports import load_run
from occbench.reports.findings.calibration import level_confidence, pooled
from occbench.reports.findings.controls import control_rows, marker_effects
from occbench.reports.reading.drops import Drop
from occbench.reports.reading.load import Run
from occbench.reports.reading.slices import main_slice
from occbench.tables.confidence import confidence_rows

from .fake_run import Cell, write_fake_run
from .reading import Page


def test_controls_of_a_keypoint(tmp_path: Path) -> None:
    losses = {"centred": -13.0, "jittered": -11.0, "decoys:6": -1.0, "placebo": 0.5}  # the nose's own, AP points
    cells: list[Cell] = [("keypoint", "blackout", "nose", 6.0, p) for p in losses]
    run = load_run(write_fake_run(tmp_path, cells, lambda cell, _: losses[cell[4]], intervals=True, extras=True))
    (row,) = control_rows(run, "keypoint")
    assert {p: round(ap.value, 4) for p, ap in row.own_ap.items()} == {
        "clean": 0.7,
        "centred": 0.83,
        "jittered": 0.81,
        "decoys:6": 0.71,
        "placebo": 0.695,
    }
    assert (round(row.own_ap["centred"].low, 4), round(row.own_ap["centred"].high, 4)) == (0.78, 0.88)
    assert row.marker_effect["decoys:6"] == Drop(12.0, 10.0, 14.0)  # the ends of both intervals
    assert row.placebo_loss.value == 0.5
    assert row.corrected_loss["decoys:6"] == Drop(-4.0, -11.0, 3.0)
    assert row.attraction == pytest.approx(dict(zip(losses, [1.5, 1.5, 1.5, math.nan], strict=True)), nan_ok=True)
    assert (row.attraction_decoys["decoys:6"], row.attraction_decoys["placebo"]) == (0.25, 0.25)
    (effect,) = marker_effects(run, [row])
    assert (effect.fill, effect.placement, effect.n, effect.n_clear) == ("blackout", "decoys:6", 1, 1)
    assert (effect.effect.value, effect.gain) == (12.0, Drop(13.0, 12.0, 14.0))
    assert (effect.attraction, effect.attraction_decoys) == (1.5, 0.25)


def test_paired_effects_take_the_place_of_differences(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blackout", "nose", 6.0, p) for p in ("centred", "decoys:6", "placebo")]
    folder = write_fake_run(tmp_path, cells, lambda c, _: 1.0, intervals=True)
    beside = "level,fill,radius,target,placement,metric,n_targets," + ",".join(
        name + end for name in ("marker", "gain", "placebo", "corrected") for end in ("", "_lo", "_hi")
    )
    lines = [f"keypoint,blackout,6,{target},decoys:6,AP,1,5,4,6,3,2,4,1,0.5,1.5,-2,-3,-1" for target in ("nose", "all")]
    (folder / "controls.csv").write_text("\n".join([beside, *lines]) + "\n")
    run = load_run(folder)
    (row,) = control_rows(run, "keypoint")
    assert row.marker_effect["decoys:6"] == Drop(5, 4, 6)
    assert (row.placebo_loss, row.corrected_loss["decoys:6"]) == (Drop(1, 0.5, 1.5), Drop(-2, -3, -1))
    (effect,) = marker_effects(run, [row])
    assert (effect.effect, effect.gain, effect.n_clear) == (Drop(5, 4, 6), Drop(3, 2, 4), 1)


def test_part_controls_are_means_over_the_parts_keypoints(tmp_path: Path) -> None:
    losses = {("centred", "left_hip"): 2.0, ("centred", "right_hip"): 4.0}
    losses |= {("decoys:2", "left_hip"): 6.0, ("decoys:2", "right_hip"): 10.0}
    losses |= {("placebo", "left_hip"): 1.0, ("placebo", "right_hip"): 3.0}
    cells: list[Cell] = [("part", "blur", "hip", 6.0, p) for p in ("centred", "decoys:2", "placebo")]
    run = load_run(write_fake_run(tmp_path, cells=cells, loss=lambda c, k: losses.get((c[4], k), 0.0)))
    (row,) = control_rows(run, "part")
    assert row.marker_effect["decoys:2"].value == pytest.approx(8 - 3)
    assert row.placebo_loss.value == pytest.approx(2)
    assert row.corrected_loss["decoys:2"].value == pytest.approx(8 - 2 * 2)
    assert math.isnan(row.attraction["centred"])
    (effect,) = marker_effects(run, [row])
    assert (effect.n, effect.n_clear, effect.fill) == (1, 0, "blur")  # without intervals nothing is clear


def test_a_keypoint_that_one_placement_could_not_measure_counts_in_none(tmp_path: Path) -> None:
    def loss(cell: Cell, keypoint: str) -> float | None:
        return None if (cell[4], keypoint) == ("decoys:2", "left_hip") else {"left_hip": 50.0}.get(keypoint, 2.0)

    cells: list[Cell] = [("part", "blur", "hip", 6.0, p) for p in ("centred", "decoys:2")]
    (row,) = control_rows(load_run(write_fake_run(tmp_path, cells=cells, loss=loss)), "part")
    assert row.own_loss["centred"].value == 2.0


def test_controls_without_placebo_have_no_corrected_loss(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", "nose", 6.0, p) for p in ("centred", "decoys:6")]
    (row,) = control_rows(load_run(write_fake_run(tmp_path, cells=cells)), "keypoint")
    assert math.isnan(row.placebo_loss.value)
    assert math.isnan(row.corrected_loss["decoys:6"].value)
    assert row.marker_effect["decoys:6"].value == pytest.approx(0)


def test_every_target_counts_once_in_the_marker_effect(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", "nose", r, p) for r in (6.0, 12.0) for p in ("centred", "decoys:6")]
    run = load_run(write_fake_run(tmp_path, cells, lambda c, _: c[3] * len(c[4])))
    rows = control_rows(run, "keypoint")
    (effect,) = marker_effects(run, rows)
    assert (len(rows), effect.n, effect.effect.value) == (2, 1, 6 * (8 - 7))


def test_a_run_without_controls_has_none(tmp_path: Path) -> None:
    assert control_rows(load_run(write_fake_run(tmp_path)), "keypoint") == []


def test_controls_in_the_page(full_run: Path, full_page: Page) -> None:
    (row,) = control_rows(load_run(full_run), "keypoint")
    shown = full_page.tables["controls_keypoint"].row(target="nose", fill="blackout")
    assert shown["marker effect"].value == pytest.approx(row.marker_effect["decoys:6"].value)
    assert shown["leak-corrected loss"].value == pytest.approx(row.corrected_loss["decoys:6"].value)
    assert shown["clean"].value == row.own_ap["clean"].value
    assert "marker effect against 6 decoys" in full_page.text


def confidence_of(run: Path, scores: np.ndarray, right: np.ndarray, hidden: np.ndarray) -> None:
    """Write confidence.csv as a run does: a clean cell and one attacked twice."""
    import pandas as pd

    every = np.ones(scores.shape, dtype=bool)
    cells = [(("clean", "", "", "", ""), ~every), (("keypoint", "blur", "nose", 6.0, "centred"), hidden)]
    cells.append((("keypoint", "blur", "left_hip", 6.0, "centred"), hidden))
    keys = ("level", "fill", "target", "radius", "placement")
    rows = [
        dict(zip(keys, cell, strict=True)) | row
        for cell, mask in cells
        for row in confidence_rows(scores, right, mask, every, np.array(0.9))
    ]
    pd.DataFrame(rows).to_csv(run / "confidence.csv", index=False)


def test_pooled_confidence_is_that_of_all_keypoints_together(tmp_path: Path) -> None:
    cells: list[Cell] = [("keypoint", "blur", t, 6.0, "centred") for t in ("nose", "left_hip")]
    rng = np.random.default_rng(5)
    scores, right = rng.uniform(0, 1, (2, 80, 7))
    hidden = rng.uniform(size=scores.shape) < 0.3
    path = write_fake_run(tmp_path, cells=cells)
    confidence_of(path, scores, right, hidden)
    run: Run = load_run(path)
    part = main_slice(run, "keypoint")
    assert part is not None
    found = level_confidence(run, part)
    assert found is not None
    assert found.clean is not None
    assert (found.clean.n, found.clean.mean_score) == (scores.size, pytest.approx(scores.mean()))
    pool = found.hidden["blur"]
    assert pool.n == 2 * hidden.sum()
    assert (pool.mean_score, pool.mean_similarity) == (
        pytest.approx(scores[hidden].mean()),
        pytest.approx(right[hidden].mean()),
    )
    alone = found.targets["nose", "blur"]
    assert alone.error.value == pytest.approx(pool.error.value)
    assert (alone.ceiling, pool.ceiling) == (pytest.approx(0.9), pytest.approx(0.9))
    whole = run.confidence[(run.confidence["keypoints"] == "hidden") & run.confidence["score_lo"].isna()]
    assert whole["error"].tolist() == [pytest.approx(alone.error.value)] * 2
    assert sum(pool.share) == pytest.approx(1)


def test_over_and_under_confidence_of_two_cells_do_not_cancel() -> None:
    import pandas as pd

    cells = []
    for right in (0.3, 0.7):
        scores = np.full((50, 7), 0.5)
        every = np.ones(scores.shape, dtype=bool)
        cells += confidence_rows(scores, np.full(scores.shape, right), every, every, np.array(0.9))
    found = pooled(pd.DataFrame(cells).assign(error_lo=[0.1, None] * 2, error_hi=[0.3, None] * 2))
    assert found is not None
    assert found.mean_score - found.mean_similarity == pytest.approx(0)
    assert (found.error.value, found.error.low, found.error.high) == pytest.approx((0.2, 0.1, 0.3))


def test_no_keypoint_no_confidence(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    part = main_slice(run, "keypoint")
    assert part is not None
    assert level_confidence(run, part) is None
    assert pooled(run.confidence) is None
