"""The training of one stage: steps that follow from (seed, stage, step), and a checkpoint to go on from."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...estimators.backends.network import preprocess
from ...models.deeppose import DeepPoseCascade, SquaredErrorSum
from ...system.errors import OccbenchError
from ..hooks import not_finite
from .canvases import Canvases
from .draws import Batch
from .settings import RATES, CascadeSettings

EVERY = 100
"""Steps between two checkpoints."""

Draw = Callable[[torch.Generator], Batch]


def train_stage(
    estimator: Any,
    stage: int,
    data: Canvases,
    draw: Draw,
    settings: CascadeSettings,
    checkpoint: Path,
    advance: Callable[[int], None] = lambda steps: None,
) -> list[float]:
    """Train the network of one stage to the end, from its checkpoint where there is one.

    Every step's crops and dropout follow from the seed, the stage and the step's number, so that a training that was
    stopped ends, on a CPU, as one that was not.

    Args:
        estimator: With a :class:`~occbench.models.DeepPoseCascade`; its other stages stay as they are.
        stage: From 0.
        data: The canvases.
        draw: Draws a batch.
        settings: Of the training.
        checkpoint: Where the state is kept; it is written by this command alone, and read without unpickling code.
        advance: Told of steps that are done.

    Returns:
        The mean loss a labelled joint of each :data:`EVERY` steps.

    Raises:
        OccbenchError: A loss is not finite, or the checkpoint is damaged.
    """
    cascade: DeepPoseCascade = estimator.backbone
    network = cascade.networks[stage].to(memory_format=torch.channels_last)
    optimizer = getattr(torch.optim, settings.optimizer)(network.parameters(), lr=settings.lr)
    total = steps_of(stage, data, settings)
    done, losses = _resumed(checkpoint, network, optimizer)
    advance(done)
    network.train()
    criterion = SquaredErrorSum()
    summed = counted = 0.0
    for step in range(done, total):
        _seed(settings.seed, stage, step)
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * RATES[settings.decay](step / total)
        batch = draw(torch.default_generator)
        images = preprocess(estimator.data_preprocessor, data.images[batch.persons])
        crops = batch.cut(images, cascade.size)
        with torch.autocast("cpu", dtype=torch.bfloat16) if settings.bf16 else nullcontext():
            found = network(crops if stage else cascade.first_view(crops))
        loss = criterion(found, batch.target, batch.weight)
        if not math.isfinite(loss.item()):
            raise not_finite(loss.item(), f"step {step + 1} of stage {stage + 1}", settings.lr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        summed += loss.item()
        counted += float(batch.weight.sum())
        if (step + 1) % EVERY == 0 or step + 1 == total:
            losses.append(summed / max(counted, 1))
            summed = counted = 0.0
            _save(checkpoint, network, optimizer, step + 1, losses)
        advance(1)
    network.eval()
    return losses


def steps_of(stage: int, data: Canvases, settings: CascadeSettings) -> int:
    """Steps of a stage (from 0)."""
    return math.ceil(settings.crops(stage, len(data), data.truth.shape[1]) / settings.batch_size)


@torch.inference_mode()
def poses_of(estimator: Any, stage: int, data: Canvases, before: Tensor | None, batch: int = 64) -> Tensor:
    """What a stage (from 0) makes of the poses of the stage before for every canvas; both (N, K, 2), canvas units."""
    cascade: DeepPoseCascade = estimator.backbone
    cascade.eval()
    found = []
    for start in range(0, len(data), batch):
        rows = slice(start, start + batch)
        canvas = preprocess(estimator.data_preprocessor, data.images[rows])
        if before is None:
            found.append(cascade.networks[stage](cascade.first_view(canvas)))
        else:
            found.append(cascade.look_again(cascade.networks[stage], canvas, before[rows]))
    return torch.cat(found)


def _seed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1)


def _resumed(checkpoint: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, list[float]]:
    if not checkpoint.is_file():
        return 0, []
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"]), list(state["losses"])
    except Exception as error:  # a damaged archive can raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OccbenchError(
            f"the checkpoint {str(checkpoint)!r} cannot be read ({reason}); remove it to train this stage anew"
        ) from error


def _save(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, step: int, losses: list[float]) -> None:
    partial = path.with_name(path.name + ".partial")
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "losses": losses}
    torch.save(state, partial)
    partial.replace(path)
