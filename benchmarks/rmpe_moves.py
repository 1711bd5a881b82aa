"""Does the symmetric spatial transformer move a wrong box to where the right one is?

    python benchmarks/rmpe_moves.py runs/rmpe/full.py runs/rmpe/full-0/train/model.pth --data test.json --jitter 0.2

Annotated boxes are moved and scaled at random, and the localisation net looks at their crops. For the move across and
down and for the size: how much of what would bring the right crop back the net asks for (the slope of a line through
all persons; 1: all of it, 0: nothing), with its 95 % interval and the correlation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import torch

from occbench.data.sources import open_dataset
from occbench.system.compat import setup_mmpose

FIGURES = {"across": 2, "down": 5, "width": 0, "height": 4}
"""Where in a flattened map (2, 3) the moves and the sizes are."""


def back(right: Any, wrong: Any) -> list[float]:
    """The map that brings the right crop back, from what MMPose notes of both: flattened, of positions in -1 to 1."""
    move = 2 * (right.input_center - wrong.input_center) / wrong.input_scale
    size = right.input_scale / wrong.input_scale
    return [size[0], 0, move[0], 0, size[1], move[1]]


def maps(config: Path, weights: Path, data: Path, images: Path, jitter: float) -> tuple[np.ndarray, np.ndarray]:
    """What the net asks for, and what would bring the right crop back: two arrays of shape (N, 6)."""
    setup_mmpose()
    from mmengine.dataset import Compose, pseudo_collate
    from mmpose.apis import init_model

    model: Any = init_model(str(config), str(weights), device="cpu")
    cut = Compose(model.cfg.test_dataloader.dataset.pipeline)
    right, wrong = (open_dataset(str(data), images, boxes) for boxes in ("gt", f"jitter:{jitter}"))
    asked, wanted = [], []
    for pair in zip(right.persons, wrong.persons, strict=True):
        crops = [
            cut({"img_path": str(p.photo.path), "bbox": p.box[None], "bbox_score": np.ones(1), **model.dataset_meta})
            for p in pair
        ]
        wanted.append(back(*(crop["data_samples"] for crop in crops)))
        with torch.inference_mode():
            batch = model.data_preprocessor(pseudo_collate(crops[1:]), False)
            asked.append(model.localiser(batch["inputs"]).numpy().reshape(6))
    return np.array(asked), np.array(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="photos; by default images/ beside the annotations")
    parser.add_argument("--jitter", type=float, default=0.2)
    options = parser.parse_args()
    images = options.images or options.data.parent / "images"
    asked, wanted = maps(options.config, options.weights, options.data, images, options.jitter)
    print(f"n = {len(asked)} persons, boxes moved and scaled by {options.jitter}\n")
    print("| | share of the way [95 %] | correlation |\n|---|---|---|")
    for name, index in FIGURES.items():
        line = scipy.stats.linregress(wanted[:, index], asked[:, index])
        half = line.stderr * scipy.stats.t.ppf(0.975, len(asked) - 2)
        print(f"| {name} | {line.slope:.3f} [{line.slope - half:.3f}, {line.slope + half:.3f}] | {line.rvalue:.2f} |")


if __name__ == "__main__":
    main()
