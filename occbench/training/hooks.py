"""What a training of this project adds to MMEngine's loop: exact resuming, and progress."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import nn

from ..system.errors import OccbenchError
from .export import Meta, export_checkpoint


class SeedEpoch(Hook):
    """Begins every epoch with random states that hang on seed, epoch and process alone.

    Samples are seeded by themselves (:class:`~occbench.augmentations.SeedSample`); this is for what draws in the model.

    Args:
        seed: Of the training.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Any) -> None:
        """Seed torch."""
        state = np.random.SeedSequence([self.seed, runner.epoch, get_rank()]).generate_state(1)
        torch.manual_seed(int(state[0]))


class FreezeNorm(Hook):
    """Keeps batch norms as they were in evaluation; :func:`freeze_norms` keeps their weights."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Before an epoch's first iteration: MMEngine turns the whole model to training after before_train_epoch."""
        if batch_idx == 0:
            for norm in _norms(runner.model):
                norm.eval()


def freeze_norms(model: nn.Module) -> None:
    """Take the weights of batch norms out of the training, before the model is wrapped for several processes."""
    for norm in _norms(model):
        norm.requires_grad_(False)


def _norms(model: nn.Module) -> list[nn.Module]:
    return [part for part in model.modules() if isinstance(part, _BatchNorm)]


class ValidateResumed(Hook):
    """Repeats the validation that a kill may have cut off, so that the best epoch is the undisturbed training's.

    A checkpoint is written before its epoch is validated. Where that had been done already, it changes nothing.
    """

    priority = "VERY_LOW"  # after the checkpoint hook has read what was the best so far

    def before_train(self, runner: Any) -> None:
        """Validate the epoch that the training was resumed from, where it is one that is validated."""
        loop = runner.train_loop
        due = runner.epoch > 0 and (runner.epoch % loop.val_interval == 0 or runner.epoch == loop.max_epochs)
        if runner.val_loop is not None and due:
            runner.val_loop.run()


class StopNotFinite(Hook):
    """Ends a training at the first loss that is not finite: nothing that comes after it is worth anything."""

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look at the loss of an iteration.

        Raises:
            OccbenchError: It is no number or infinite.
        """
        loss = outputs["loss"].item()
        if not math.isfinite(loss):
            rate = runner.optim_wrapper.get_lr()["lr"][0]
            raise not_finite(loss, f"iteration {runner.iter + 1} (epoch {runner.epoch + 1})", rate)


def not_finite(loss: float, when: str, rate: float) -> OccbenchError:
    """The error for a loss that is no number or infinite."""
    return OccbenchError(
        f"the loss is {loss} in {when}, at a learning rate of {rate:g}: the training stops and exports no weights; "
        "lower --lr, or give other weights to start from"
    )


class ExportEpochs(Hook):
    """Writes the weights of every epoch, ``epochs/N.pth``, for those who want to see what comes when.

    Args:
        out: The folder of the training.
        meta: What the weights say of it.
    """

    priority = "VERY_LOW"  # after the checkpoint hook

    def __init__(self, out: Path, meta: Meta) -> None:
        self.folder = out / "epochs"
        self.meta = meta

    def before_train(self, runner: Any) -> None:
        """The epoch that a training was resumed from: a kill may have come before its weights were written."""
        if runner.epoch > 0:
            self._export(runner.epoch)

    def after_train_epoch(self, runner: Any) -> None:
        """The epoch whose checkpoint was just written."""
        self._export(runner.epoch + 1)

    def _export(self, epoch: int) -> None:
        weights = self.folder / f"{epoch}.pth"
        if not weights.is_file():
            self.folder.mkdir(exist_ok=True)
            export_checkpoint(self.folder.parent / f"epoch_{epoch}.pth", weights, {**self.meta, "epoch": epoch})


class TellLoss(Hook):
    """Tells the mean loss of every epoch, and what its validation came to.

    Args:
        tell: Called with a line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.losses: list[float] = []

    def before_train_epoch(self, runner: Any) -> None:
        """Begin anew."""
        self.losses.clear()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Take the loss of an iteration."""
        self.losses.append(outputs["loss"].item())

    def after_train_epoch(self, runner: Any) -> None:
        """Tell the mean."""
        self.tell(f"epoch {runner.epoch + 1} of {runner.max_epochs}: loss {np.mean(self.losses):.3g}")

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Tell the figure that sums it up: AP or PCK, else all."""
        figures = metrics or {}
        chosen = [name for name in figures if name.rpartition("/")[2] in ("AP", "PCK")] or list(figures)
        said = ", ".join(f"{name} {figures[name]:.3f}" for name in chosen)
        self.tell(f"validation after epoch {runner.epoch}: {said}")


class Advance(Hook):
    """Tells a progress bar how far the training is.

    Args:
        advance: Called with the number of iterations just done.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def before_train(self, runner: Any) -> None:
        """What was done before the training was resumed."""
        self.advance(runner.iter)

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        """One iteration."""
        self.advance(1)
