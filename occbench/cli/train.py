"""``occbench train``: train a top-down model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[Path, typer.Option("--data", help="COCO keypoint annotations to train on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, logs and the weights, model.pth.")],
    model: Annotated[
        str, typer.Option("--model", help="A name of `occbench ls models`, or an MMPose config.")
    ] = "hrnet-mini",
    images: Annotated[Path | None, typer.Option("--images", help="Photos; by default beside --data.")] = None,
    val: Annotated[Path | None, typer.Option("--val", help="Annotations to choose the best epoch by.")] = None,
    val_images: Annotated[Path | None, typer.Option("--val-images", help="Photos of --val.")] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the data.")] = 210,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Persons per step.")] = 32,
    lr: Annotated[float, typer.Option("--lr", min=0.0, help="Adam's learning rate at its highest.")] = 1e-3,
    decay: Annotated[str, typer.Option("--decay", help="How the rate falls: steps or cosine.")] = "steps",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seeds weights, order and augmentation.")] = 0,
    init: Annotated[Path | None, typer.Option("--init", help="Weights to start from.")] = None,
    freeze_stages: Annotated[
        int, typer.Option("--freeze-stages", help="Keep the stem (0) and the first stages (1, 2, ...) as they are.")
    ] = -1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that decode photos.")] = 1,
    bf16: Annotated[bool, typer.Option("--bf16", help="Convolutions in bfloat16, for CPUs that have it.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print MMEngine's log.")] = False,
) -> None:
    """Train a model with MMEngine's Runner and export its weights.

    Example: `occbench train --data people/annotations.json --val others/annotations.json --epochs 12 --out runs/mini`.
    """
    from ..training import train as run
    from ..training import training_data
    from ..zoo import find_model

    config = find_model(model).config_path
    people = training_data(data, images)
    held_out = None if val is None else training_data(val, val_images)
    weights = run(
        config,
        people,
        out,
        held_out,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        decay=decay,
        seed=seed,
        init=init,
        freeze_stages=freeze_stages,
        resume=resume,
        workers=workers,
        bf16=bf16,
        verbose=verbose,
    )
    print(weights)
