"""What the localisation net asks for, and what would bring the right crop back."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from occbench.models.rmpe import transformed
from occbench.weights.zoo import find_model

from ..command_line import People
from ..conftest import CHECKOUT


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module("rmpe_moves")
    sys.modules.pop("rmpe_moves", None)


def test_the_map_back_shows_the_right_crop(moves: Any) -> None:
    def crop(center: np.ndarray, scale: np.ndarray) -> torch.Tensor:
        x, y = (center[i] + scale[i] * ((np.arange(n) + 0.5) / n - 0.5) for i, n in ((0, 48), (1, 64)))
        return torch.from_numpy(np.sin(x / 40)[None] + np.cos(y / 50)[:, None]).float()[None, None]

    right = SimpleNamespace(input_center=np.array([100.0, 120.0]), input_scale=np.array([90.0, 120.0]))
    wrong = SimpleNamespace(input_center=np.array([112.0, 113.0]), input_scale=np.array([150.0, 200.0]))
    theta = torch.tensor(moves.back(right, wrong)).float().view(1, 2, 3)
    found = transformed(crop(wrong.input_center, wrong.input_scale), theta)
    torch.testing.assert_close(found, crop(right.input_center, right.input_scale), atol=0.01, rtol=0)


def test_an_untrained_net_asks_for_nothing_where_boxes_are_wrong(moves: Any, shared_people: People) -> None:
    config = find_model("rmpe-simplebaseline-mini").config_path
    weights = find_model("simplebaseline-mini").checkpoint
    data, images = shared_people.annotations, shared_people.images
    asked, wanted = moves.maps(config, weights, data, images, 0.2)
    assert asked.shape == wanted.shape
    assert np.array_equal(asked, np.tile([1, 0, 0, 0, 1, 0], (len(asked), 1)))
    assert (wanted[:, list(moves.FIGURES.values())].std(0) > 0.02).all()
