"""Example pictures: where things are drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from occbench.reports import load_run
from occbench.reports.examples import ATTACKED_COLOUR, CLEAN_COLOUR, HEIGHT, galleries
from occbench.reports.tables import main_slice

from .fake_run import default_cells, write_fake_run


def _has_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels.astype(int) - colour).max(axis=2) < 8).any())


def test_clean_and_attacked_predictions_are_drawn(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    for name in ("person-12.png", *(f.name for f in (tmp_path / "examples").glob("keypoint*.png"))):
        cv2.imwrite(str(tmp_path / "examples" / name), np.full((64, 48, 3), 128, np.uint8))
    part = main_slice(run, "keypoint")
    assert part is not None
    drawn, notes = galleries(run, part)
    assert notes == []
    assert [g.target for g in drawn] == ["nose", "left_hip"]
    clean, *attacked = drawn[0].pictures
    assert [p.caption for p in drawn[0].pictures] == ["clean", "blackout", "blur"]
    assert clean.pixels.shape == (HEIGHT, HEIGHT * 48 // 64, 3)
    assert _has_colour(clean.pixels, CLEAN_COLOUR)
    assert not _has_colour(clean.pixels, ATTACKED_COLOUR)
    for picture in attacked:
        assert _has_colour(picture.pixels, CLEAN_COLOUR)
        assert _has_colour(picture.pixels, ATTACKED_COLOUR)
    # truth and predictions of the nose (not labelled here) are not drawn: crop px (6, 8) and around stay grey
    corner = clean.pixels[: HEIGHT * 11 // 64, : HEIGHT * 9 // 64]
    assert (corner == 128).all()
    assert drawn[0].montage().shape[0] == HEIGHT


def test_a_crop_that_is_no_picture_is_left_out_with_a_note(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path))
    (tmp_path / "examples" / "keypoint-blur_nose_r6_centred.png").write_bytes(b"")
    part = main_slice(run, "keypoint")
    assert part is not None
    drawn, notes = galleries(run, part)
    assert [g.target for g in drawn] == ["left_hip"]
    assert notes == ["No picture for nose: keypoint-blur_nose_r6_centred.png is no picture."]


def test_wild_and_missing_predictions_are_survived(tmp_path: Path) -> None:
    run = load_run(write_fake_run(tmp_path, cells=default_cells()[:1]))
    wild = run.examples[0].model_copy(
        update={"attacked_keypoints": [(1e12, -1e12), (float("nan"), 1.0)] + [(5.0, 5.0)] * 5}
    )
    part = main_slice(run, "keypoint")
    assert part is not None
    drawn, notes = galleries(type(run)(run.path, run.manifest, run.cells, (wild,), ()), part)
    assert len(drawn) == 1
    assert notes == []
