"""What the tests of training read out of a training's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def same(a: Path, b: Path) -> bool:
    """Whether two exported checkpoints have the same weights, bit by bit."""
    import torch

    left, right = load(a)["state_dict"], load(b)["state_dict"]
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def curve(out: Path) -> dict[int, tuple[float, float]]:
    """Loss and learning rate by iteration, as MMEngine logged them, of a training and its resumed parts."""
    found = {}
    for path in sorted(out.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "loss" in row:
                found[row["step"]] = row["loss"], row["lr"]
    return found
