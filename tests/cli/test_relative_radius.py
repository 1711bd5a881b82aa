"""``--radius 0.1w``: models of other input sizes have the same share of a person hidden."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occbench.estimators.pose_model import PoseModel
from occbench.reports import load_run
from occbench.reports.page.sections_compare import comparison_notes

from .conftest import CONFIG, Occbench, People, TinyModel

SHARE = 0.1


@pytest.fixture
def models(tiny: TinyModel, tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Config and weights of the same convolutions over crops of 48 x 64 and of 96 x 128 px."""
    large = tmp_path / "large.py"
    large.write_text(CONFIG.replace("(48, 64)", "(96, 128)").replace("(12, 16)", "(24, 32)"))
    return {"small": (tiny.config, tiny.weights), "large": (large, tiny.weights)}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The crops that models are given, each of shape (height, width, 3)."""
    images: list[np.ndarray] = []
    predict = PoseModel.predict

    def noted(model: PoseModel, given: Any, crops: Any) -> Any:
        images.extend(image.copy() for image in given)
        return predict(model, given, crops)

    monkeypatch.setattr(PoseModel, "predict", noted)
    return images


def test_models_of_other_sizes_have_the_same_share_hidden(
    occbench: Occbench,
    shared_people: People,
    models: dict[str, tuple[Path, Path]],
    seen: list[np.ndarray],
    tmp_path: Path,
) -> None:
    def attacked(name: str, radius: str) -> tuple[Path, list[np.ndarray]]:
        out = tmp_path / f"{name}-{radius}"
        config, weights = models[name]
        seen.clear()
        data = ("--data", shared_people.annotations, "--images", shared_people.images)
        model = ("--model", config, "--checkpoint", weights, "--device", "cpu")
        attack = ("--kind", "keypoint-blackout", "--target", "left_hip", "--radius", radius)
        answer = occbench("attack", *model, *data, *attack, "--bootstrap", 20, "--out", out)
        assert answer.code == 0, answer
        return out, list(seen)

    def row(run: Path) -> pd.Series:
        return pd.read_csv(run / "cells.csv").query("level == 'keypoint' and keypoint == 'all'").iloc[0]

    small, small_crops = attacked("small", "0.1w")
    px, px_crops = attacked("small", "4.8")
    large, large_crops = attacked("large", "0.1w")

    # Clean and attacked, byte by byte: a share is its px and nothing else.
    assert Counter(crop.tobytes() for crop in small_crops) == Counter(crop.tobytes() for crop in px_crops)
    figures = ["radius", "n", "ap", "drop"]
    pd.testing.assert_series_equal(row(small)[figures], row(px)[figures], check_names=False)
    assert row(small)["radius_share"] == SHARE
    assert np.isnan(row(px)["radius_share"])

    assert (row(large)["radius"], row(large)["radius_share"]) == (9.6, SHARE)
    disc = np.pi * SHARE**2 * 48 / 64  # of the crop's area
    for crops in (small_crops, large_crops):
        np.testing.assert_allclose(painted(crops), disc, rtol=0.1)
    assert len(painted(large_crops)) == len(painted(small_crops))

    smaller_is_hidden_more = "a radius in px hides a larger share of a smaller input"
    for runs, said in (((small, large), False), ((px, large), True)):
        notes = comparison_notes([load_run(run) for run in runs])
        assert any(smaller_is_hidden_more in note for note in notes) == said
    answer = occbench("compare", small, large)
    assert answer.code == 0, answer
    assert "keypoint-blackout  mean of  1 attacks" in answer.out


def painted(crops: list[np.ndarray]) -> list[float]:
    """The share of each attacked crop that differs from the clean crop it was made of."""
    clean, hidden = crops[: len(crops) // 2], crops[len(crops) // 2 :]
    return [min(float(np.any(crop != other, axis=2).mean()) for other in clean) for crop in hidden]
