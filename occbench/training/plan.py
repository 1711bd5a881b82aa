"""What a training would do, and how long it would take, told after one iteration of it."""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ..system.progress import in_words
from .config import build_config, prepare_init
from .data import TrainingData
from .run import checkpoint_bytes, load_initial, one_line
from .runner import STEPS, build_loader, build_runner
from .settings import Settings


@dataclass(frozen=True)
class Plan:
    """A training that was built, and of which one iteration was run and thrown away.

    Attributes:
        parameters: Of the model.
        persons: In the training data, as MMPose counts them.
        validated: Persons in the validation data; None without.
        iterations: In an epoch.
        pipeline: The training pipeline's transforms, in order.
        loss: Of the first iteration.
        seconds: Of the second iteration, which has no start-up in it.
        checkpoint: Bytes of one.
        device: Where the model is.
        settings: Of the training.
        phases: Epochs of each, in order, where it has phases.
    """

    parameters: int
    persons: int
    validated: int | None
    iterations: int
    pipeline: tuple[str, ...]
    loss: float
    seconds: float
    checkpoint: int
    device: str
    settings: Settings
    phases: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Iterations of the whole training."""
        return self.iterations * self.settings.epochs

    def lines(self) -> Iterator[str]:
        """The plan, for reading."""
        s = self.settings
        steps = [round(self.total * share) for share in STEPS]
        falls = f"a tenth from iteration {steps[0]}, a hundredth from {steps[1]}"
        source = s.init or "what the config says"
        yield f"model       {self.parameters / 1e6:.1f} million parameters on {self.device}, starting from {source}"
        yield f"data        {self.persons} persons, validated on {self.validated or 'none'}"
        yield f"pipeline    {' > '.join(self.pipeline)}"
        yield f"iterations  {self.iterations} of {s.batch_size} persons in an epoch, {s.epochs} epochs: {self.total}"
        if self.phases:
            yield f"phases      {', '.join(f'{count} epochs {phase}' for phase, count in self.phases.items())}"
        yield f"rate        Adam {s.lr:g}, {falls if s.decay == 'steps' else 'falling as a cosine'}"
        yield f"loss        {self.loss:.3g} in the first iteration"
        yield f"checkpoint  {self.checkpoint / 1e6:,.0f} MB"
        whole = in_words(self.seconds * self.total)
        yield f"time        {self.seconds:.2f} s per iteration: {whole} without validation"


def make_plan(
    config: Path,
    data: TrainingData,
    val: TrainingData | None = None,
    settings: Settings | None = None,
    workers: int = 1,
    verbose: bool = False,
) -> Plan:
    """Build everything that :func:`~.run.train` builds, run one iteration and time a second one; nothing is kept.

    Args:
        config: As in :func:`~.run.train`, like the others.
        data: What would be trained on.
        val: What the best epoch would be chosen by.
        settings: Of the training.
        workers: Processes that decode and augment.
        verbose: Let MMEngine print its log.

    Raises:
        OccbenchError: As in :func:`~.run.train`.
    """
    from mmengine.runner import Runner

    from .. import augmentations  # noqa: F401 (registers the transforms)
    from .hooks import not_finite
    from .phases import epochs_of, shares_of

    settings = settings or Settings()
    quiet = nullcontext() if verbose else redirect_stdout(io.StringIO())
    with tempfile.TemporaryDirectory(prefix="occbench-plan-") as folder, quiet, one_line(Path(folder)):
        cfg = build_config(config, data, val, settings, workers, verbose)
        init = prepare_init(cfg, settings.init)
        loader = build_loader(cfg, settings)
        runner = build_runner(cfg, loader, Path(folder), settings)
        if init is None:
            runner.model.init_weights()
        else:
            load_initial(runner, init)
        validated = None
        if cfg.val_dataloader is not None:
            validated = len(Runner.build_dataloader(cfg.val_dataloader).dataset)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.model.train()
        losses, started = [], 0.0
        for batch in chain(loader, loader):
            losses.append(runner.model.train_step(batch, runner.optim_wrapper)["loss"].item())
            if not math.isfinite(losses[-1]):
                raise not_finite(losses[-1], f"iteration {len(losses)}", settings.lr)
            if len(losses) == 2:
                break
            started = time.perf_counter()
        return Plan(
            parameters=sum(p.numel() for p in runner.model.parameters()),
            persons=len(loader.dataset),
            validated=validated,
            iterations=len(loader),
            pipeline=tuple(step["type"] for step in cfg.train_dataloader.dataset.pipeline),
            loss=losses[0],
            seconds=time.perf_counter() - started,
            checkpoint=checkpoint_bytes(runner),
            device=str(next(runner.model.parameters()).device),
            settings=settings,
            phases=epochs_of(shares, settings.epochs) if (shares := shares_of(cfg)) else {},
        )
