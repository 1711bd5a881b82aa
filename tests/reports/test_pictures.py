"""Example pictures: where things are drawn, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from occbench.reports import load_run
from occbench.reports.figures.pictures import ATTACKED_COLOUR, CLEAN_COLOUR, HEIGHT, galleries

from .fake_run import default_cells, write_fake_run


def _has_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels.astype(int) - colour).max(axis=2) < 8).any())


def test_clean_and_attacked_predictions_are_drawn(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    for file in (tmp_path / "examples").glob("*.png"):
        cv2.imwrite(str(file), np.full((64, 48, 3), 128, np.uint8))
    drawn, notes = galleries(run, "keypoint")
    assert notes == []
    assert [g.title for g in drawn] == ["nose, blackout, r = 6 px", "left_hip, blackout, r = 6 px"]
    worst, median, improved = drawn[0].shown
    assert [one.kind for one in drawn[0].shown] == ["worst", "median", "improved"]
    assert worst.caption == "OKS 0.70 → 0.10 (−0.60), 000000000785.jpg, person 12"
    assert improved.caption == "OKS 0.70 → 0.90 (+0.20), 000000000785.jpg, person 14"
    assert median.clean.shape == (HEIGHT, HEIGHT * 48 // 64, 3)
    assert _has_colour(median.clean, CLEAN_COLOUR)
    assert not _has_colour(median.clean, ATTACKED_COLOUR)
    assert _has_colour(median.attacked, CLEAN_COLOUR)
    assert _has_colour(median.attacked, ATTACKED_COLOUR)
    # truth and predictions of the nose (not labelled here) are not drawn: crop px (6, 8) and around stay grey
    assert (median.clean[: HEIGHT * 11 // 64, : HEIGHT * 9 // 64] == 128).all()
    assert drawn[0].montage().shape[0] == HEIGHT


def test_a_crop_that_is_no_picture_is_left_out_with_a_note(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    (tmp_path / "examples" / "keypoint-blackout_nose_r6_centred-median.png").write_bytes(b"")
    drawn, notes = galleries(run, "keypoint")
    assert [g.target for g in drawn] == ["left_hip"]
    assert notes == ["No picture for nose: keypoint-blackout_nose_r6_centred-median.png is no picture."]


def test_wild_and_missing_predictions_are_survived(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, cells=default_cells()[:1]))
    points = [(1e12, -1e12), (float("nan"), 1.0)] + [(5.0, 5.0)] * 5
    wild = run.examples[0].model_copy(update={"attacked_keypoints": points})
    drawn, notes = galleries(replace(run, examples=(wild,)), "keypoint")
    assert (len(drawn), notes) == (1, [])


def test_other_numbers_of_keypoints_are_left_out_with_a_note(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, cells=default_cells()[:1]))
    short = run.examples[0].model_copy(update={"truth": run.examples[0].truth[:3]})
    drawn, notes = galleries(replace(run, examples=(short,)), "keypoint")
    assert drawn == []
    assert notes == ["No picture for nose: 3 keypoints where the skeleton has 7."]
