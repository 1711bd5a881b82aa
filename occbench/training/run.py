"""Train a model with MMEngine's Runner, and write its weights so that they load safely."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from ..system.errors import OccbenchError
from .augment import augmentations_of
from .config import build_config, prepare_init
from .data import TrainingData
from .described import write_config
from .export import EXPORTED, Meta, best_checkpoint, export_checkpoint
from .runner import build_loader, build_runner, has_tensorboard
from .settings import RECORD, Settings, check_same, findings_of, record_of

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

    from ..system.progress import Progress

_UNPICKLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KEPT = 4  # checkpoints at once: two are kept, a third is written, and the best one's weights


def train(
    config: Path,
    data: TrainingData,
    out: Path,
    val: TrainingData | None = None,
    settings: Settings | None = None,
    *,
    resume: bool = False,
    workers: int = 1,
    launcher: str = "auto",
    progress: Progress | None = None,
    verbose: bool = False,
    every_epoch: bool = False,
    begin: Callable[[], None] = lambda: None,
) -> Path:
    """Train the model of an MMPose config and export the best weights.

    A training that was killed and resumed with the same arguments goes on from its last whole epoch, and on a CPU ends
    with the same weights, bit by bit, as an undisturbed one; so does one with another number of workers.

    Args:
        config: An MMPose config with a train pipeline.
        data: The persons to train on.
        out: The folder for checkpoints, logs and the exported weights; with ``resume`` an earlier one.
        val: Persons to choose the best epoch by (COCO's AP or MPII's PCKh, ground-truth boxes); without, the last epoch
            is exported.
        settings: What decides the outcome.
        resume: Go on from the latest checkpoint in ``out``, or from the start where there is none.
        workers: Processes that decode and augment; 0 does it in this one.
        launcher: What started this process among others, one of ``distributed.LAUNCHERS``.
        progress: Draws a bar with the time left.
        verbose: Let MMEngine print its log; it is written to ``out`` in any case.
        every_epoch: Write the weights of every epoch as well, ``out/epochs/N.pth``.
        begin: Called in the first process when nothing was found to refuse.

    Returns:
        The exported checkpoint, ``out/model.pth``.

    Raises:
        OccbenchError: ``out`` cannot be written, is too small, holds a training that is not to be resumed or one with
            other settings; or config, data and settings do not go together.
    """
    import torch

    from .. import augmentations  # noqa: F401 (registers the transforms)
    from ..estimators.backends.torch_backend import keep_freed_memory, layout_kept
    from ..system.distributed import joined
    from . import metric  # noqa: F401 (registers it)
    from .hooks import ExportEpochs

    settings = settings or Settings()
    if not resume and (out / "last_checkpoint").exists():
        raise OccbenchError(f"{out} holds a training already; go on with --resume, or name another folder with --out")
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    quiet = nullcontext() if verbose else redirect_stdout(io.StringIO())  # pycocotools prints what it does
    with joined(launcher, backend) as ranks, quiet, _unpickling_own_checkpoints(resume), one_line(out):
        cfg = build_config(config, data, val, settings, workers, verbose)
        record = record_of(cfg, data, val, settings, ranks.count)
        going_on = resume and (out / "last_checkpoint").exists()
        if going_on:
            check_same(record, out)
        init = prepare_init(cfg, "none" if going_on else settings.init)
        launched = "none" if ranks.count == 1 and not torch.distributed.is_initialized() else "pytorch"
        loader = build_loader(cfg, settings)
        _check_writable(out)
        runner = build_runner(cfg, loader, out, settings, resume=resume, launcher=launched)
        if ranks.first:
            _check_space(runner, out, settings.epochs if every_epoch else 0)
            begin()
            if every_epoch:
                runner.register_hook(ExportEpochs(out, meta_of(config, cfg, settings)))
            (out / RECORD).write_text(json.dumps(record | {"findings": findings_of(data, val)}, indent=2) + "\n")
        if init is not None:
            load_initial(runner, init)
        keep_freed_memory()
        with _bar(runner, progress if ranks.first else None), layout_kept():
            runner.train()
        ranks.wait()
        if ranks.first:
            export_checkpoint(best_checkpoint(out), out / EXPORTED, meta_of(config, cfg, settings))
            if data.described:
                write_config(config, data, out)
        ranks.wait()
    return out / EXPORTED


def meta_of(config: Path, cfg: Config, settings: Settings) -> Meta:
    """What the exported weights say about their training; a recipe's own augmentation counts as one asked for."""
    applied = augmentations_of(cfg.train_dataloader.dataset.pipeline)
    return {"config": config.name, **settings.meta, "aug": json.dumps(applied)}


@contextmanager
def _bar(runner: Runner, progress: Progress | None) -> Iterator[None]:
    if progress is None:
        yield
        return
    from .hooks import Advance, TellLoss

    if not has_tensorboard():
        progress.note("tensorboard is not installed: scalars go to scalars.json alone")
    with progress.stage("training", runner.max_iters, f"{runner.max_epochs} epochs") as advance:
        runner.register_hook(Advance(advance))
        runner.register_hook(TellLoss(progress.tell))
        yield


def load_initial(runner: Runner, weights: Path) -> None:
    """Load the weights that a training starts from, the way that every other checkpoint is loaded."""
    from mmengine.model import is_model_wrapper

    from ..weights.checkpoints import load_into, load_state_dict

    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    model.init_weights()  # else the Runner would do it later, over what is loaded here
    load_into(model, load_state_dict(weights), weights)


@contextmanager
def _unpickling_own_checkpoints(resume: bool) -> Iterator[None]:
    """Let MMEngine resume: its checkpoints hold log buffers, which torch >= 2.6 refuses unless told otherwise.

    Only what this user's own training left in ``out`` is read so; weights given with ``init`` never are.
    """
    if not resume:
        yield
        return
    before = os.environ.get(_UNPICKLE)
    os.environ[_UNPICKLE] = "1"
    warnings.filterwarnings("ignore", message=f".*{_UNPICKLE}.*")  # torch's, who says so each time
    try:
        yield
    finally:
        os.environ.pop(_UNPICKLE)
        if before is not None:
            os.environ[_UNPICKLE] = before


@contextmanager
def one_line(out: Path) -> Iterator[None]:
    """Turn what the world may do to a training into an error of one line."""
    try:
        yield
    except Exception as error:
        photo = re.search(r"occurs when loading `(.+?)`", str(error))  # MMPose's LoadImage, whatever went wrong
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise OccbenchError(
                f"no space is left for a checkpoint in {str(out)!r}; make room and go on with --resume"
            ) from error
        if photo is not None:
            raise OccbenchError(f"photo {photo[1]!r} cannot be read or decoded") from error
        undetermined = re.search(r"^(\w+) does not have a deterministic implementation", str(error))
        if undetermined is not None:
            raise OccbenchError(
                f"this model cannot be trained with --deterministic on this device: torch's {undetermined[1]} has no "
                "deterministic form; leave the option out (a resumed training is then not exact)"
            ) from error
        if isinstance(error, OccbenchError) and "Original Traceback" in str(error):  # it comes from a worker
            raise OccbenchError(str(error).strip().splitlines()[-1].partition("OccbenchError: ")[2]) from error
        raise


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OccbenchError(f"cannot write to {out}: {error.strerror}; name another folder with --out") from error


def checkpoint_bytes(runner: Runner) -> int:
    """About how large a checkpoint of a training is: the weights, and Adam's two moments of each."""
    return sum(3 * p.numel() * p.element_size() for p in runner.model.parameters())


def _check_space(runner: Runner, out: Path, exported: int) -> None:
    """A training must not end for want of space that can be known before; ``exported`` weights are a third as large."""
    needed, free = (_KEPT + exported / 3) * checkpoint_bytes(runner), shutil.disk_usage(out).free
    if free < needed:
        raise OccbenchError(
            f"{str(out)!r} has {free / 1e6:,.0f} MB left, but the checkpoints of this training need "
            f"{needed / 1e6:,.0f} MB; make room, or name another folder with --out"
        )
