"""Train a top-down model with MMEngine's Runner, and write its weights so that they load safely.

The recipe is the thesis' (PROTOCOL section 6): Adam, steps to a tenth and a hundredth of the rate at 170 and 200 of
210 epochs, here as shares of whatever number of epochs is asked for, after a short linear warm-up.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

STEPS = (170 / 210, 200 / 210)
DECAYS = ("steps", "cosine")
WARM_UP = 500  # iterations, or a twentieth of the training where that is shorter
EXPORTED = "model.pth"
_UNPICKLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

Meta = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class TrainingData:
    """A COCO keypoint annotation file and the folder of its photos."""

    annotations: Path
    images: Path


def training_data(annotations: Path, images: Path | None = None) -> TrainingData:
    """Check a data set before anything is built.

    Args:
        annotations: COCO keypoint annotations.
        images: The photos' folder; by default ``images`` beside the annotations, else the annotations' own folder.

    Raises:
        OccbenchError: The file is missing, is no COCO keypoint file, has no labelled person, or the folder is missing.
    """
    annotations = annotations.resolve()
    try:
        content = json.loads(annotations.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise OccbenchError(f"cannot read annotations {annotations}: {error}; give a COCO keypoint file") from error
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise OccbenchError(f"{annotations} is no COCO file: it has no list 'annotations'")
    if not any(isinstance(each, dict) and each.get("num_keypoints", 0) > 0 for each in content["annotations"]):
        raise OccbenchError(f"{annotations} has no person with labelled keypoints; give a COCO keypoint file")
    if images is None:
        beside = annotations.parent / "images"
        images = beside if beside.is_dir() else annotations.parent
    if not images.is_dir():
        raise OccbenchError(f"the folder of photos {images} does not exist; name it with --images")
    return TrainingData(annotations, images.resolve())


def train(
    config: Path,
    data: TrainingData,
    out: Path,
    val: TrainingData | None = None,
    *,
    epochs: int = 210,
    batch_size: int = 32,
    lr: float = 1e-3,
    decay: str = "steps",
    seed: int = 0,
    init: Path | None = None,
    freeze_stages: int = -1,
    resume: bool = False,
    workers: int = 1,
    bf16: bool = False,
    verbose: bool = False,
) -> Path:
    """Train the model of an MMPose config and export the best weights.

    Args:
        config: An MMPose top-down config with a train pipeline.
        data: The persons to train on.
        out: The folder for checkpoints, logs and the exported weights; with ``resume`` an earlier one.
        val: Persons to choose the best epoch by (AP, ground-truth boxes); without, the last epoch is exported.
        epochs: Passes over the data.
        batch_size: Persons per step.
        lr: Adam's learning rate at its highest.
        decay: How it falls, one of :data:`DECAYS` (see :func:`schedule`).
        seed: Seeds the weights, the order and the augmentation.
        init: Weights to start from.
        freeze_stages: Keep the backbone's stem (0) or the stem and its first stages (1, 2, ...) as they are; -1: none.
        resume: Go on from the latest checkpoint in ``out``.
        workers: Processes that decode and augment; 0 does it in this one.
        bf16: Run convolutions in bfloat16 (weights stay float32): about twice as fast on CPUs that have it.
        verbose: Let MMEngine print its log; it is written to ``out`` in any case.

    Returns:
        The exported checkpoint, ``out/model.pth``.

    Raises:
        OccbenchError: ``out`` cannot be written or holds a training that is not to be resumed, ``init`` is missing, or
            there are fewer persons than ``batch_size``.
    """
    from .checkpoints import load_into, load_state_dict
    from .compat import setup_mmpose

    if decay not in DECAYS:
        raise unknown_name("decay", decay, DECAYS)
    setup_mmpose()
    if init is not None and not init.is_file():
        raise OccbenchError(f"the weights to start from, {init}, do not exist")
    _check_writable(out)
    if not resume and (out / "last_checkpoint").exists():
        raise OccbenchError(f"{out} holds a training already; go on with --resume, or name another folder with --out")
    cfg = build_config(config, data, val, batch_size, workers, verbose)
    if freeze_stages >= 0:
        cfg.model.backbone.frozen_stages = freeze_stages
    if init is not None:
        cfg.model.backbone.init_cfg = None  # else a pretrained backbone would be fetched and then overwritten
    quiet = nullcontext() if verbose else redirect_stdout(io.StringIO())  # pycocotools prints what it does
    with quiet, _unpickling_own_checkpoints(resume):
        runner = build_runner(cfg, out, epochs=epochs, lr=lr, seed=seed, resume=resume, bf16=bf16, decay=decay)
        if init is not None and not resume:
            runner.model.init_weights()  # else the Runner would do it later, over what is loaded here
            load_into(runner.model, load_state_dict(init), init)
        runner.train()
    meta: Meta = {
        "config": config.name,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "decay": decay,
        "seed": seed,
        "bf16": bf16,
    }
    return export_checkpoint(best_checkpoint(out), out / EXPORTED, meta)


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
    try:
        yield
    finally:
        os.environ.pop(_UNPICKLE)
        if before is not None:
            os.environ[_UNPICKLE] = before


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OccbenchError(f"cannot write to {out}: {error.strerror}; name another folder with --out") from error


def build_config(
    config: Path, data: TrainingData, val: TrainingData | None, batch_size: int, workers: int, verbose: bool
) -> Config:
    """The model's config with the data filled in, and everything about the machine set."""
    from mmengine.config import Config

    cfg = Config.fromfile(str(config))
    _fill(cfg.train_dataloader, data, workers)
    cfg.train_dataloader.batch_size = batch_size
    if val is None:
        cfg.val_dataloader = cfg.val_evaluator = None
    else:
        _fill(cfg.val_dataloader, val, workers)
        cfg.val_evaluator = {"type": "CocoMetric", "ann_file": str(val.annotations)}
    cfg.test_dataloader = cfg.test_evaluator = None
    cfg.model.train_cfg = {**(cfg.model.get("train_cfg") or {}), "compute_acc": False}  # slow, and not for bfloat16
    cfg.log_level = "INFO" if verbose else "WARNING"
    return cfg


def _fill(loader: Any, data: TrainingData, workers: int) -> None:
    loader.num_workers = workers
    loader.persistent_workers = workers > 0
    loader.dataset.pop("bbox_file", None)
    loader.dataset.update(data_root="", ann_file=str(data.annotations), data_prefix={"img": str(data.images)})


def build_runner(
    cfg: Config,
    out: Path,
    *,
    epochs: int,
    lr: float,
    seed: int,
    resume: bool = False,
    bf16: bool = False,
    decay: str = "steps",
) -> Runner:
    """MMEngine's Runner for the recipe of this module.

    Raises:
        OccbenchError: There are fewer persons than one batch.
    """
    import torch
    from mmengine.runner import Runner

    loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
    if len(loader) == 0:
        raise OccbenchError(
            f"{len(loader.dataset)} persons do not fill a batch of {cfg.train_dataloader.batch_size}; "
            "lower --batch-size or give more persons"
        )
    steps = epochs * len(loader)
    validates = cfg.val_dataloader is not None
    checkpoint: dict[str, Any] = {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 2}
    if validates:
        checkpoint.update(save_best="coco/AP", rule="greater")
    runner = Runner(
        model=cfg.model,
        work_dir=str(out),
        train_dataloader=loader,
        val_dataloader=cfg.val_dataloader,
        train_cfg={"by_epoch": True, "max_epochs": epochs, "val_interval": max(1, epochs // 6)},
        val_cfg={} if validates else None,
        val_evaluator=cfg.val_evaluator,
        optim_wrapper={"type": _optim_wrapper(bf16), "optimizer": {"type": "Adam", "lr": lr}},
        param_scheduler=schedule(steps, decay),
        default_hooks={"checkpoint": checkpoint, "logger": {"type": "LoggerHook", "interval": 50}},
        resume=resume,
        env_cfg={"cudnn_benchmark": True, "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 1}},
        log_level=cfg.log_level,
        randomness={"seed": seed},
        default_scope="mmpose",
        experiment_name=f"train-{time.time_ns()}",  # MMEngine shares loggers between equal names within one second
    )
    runner.model.to(memory_format=torch.channels_last)
    return runner


def schedule(steps: int, decay: str = "steps") -> list[dict[str, Any]]:
    """The learning rate over ``steps`` iterations: linear warm-up, then one of :data:`DECAYS`.

    ``steps`` goes down tenfold at the shares :data:`STEPS`, as the thesis does; ``cosine`` goes down all the way,
    which gets more out of a training of a few epochs, whose noise at a constant rate is the larger part of the loss.
    """
    warm_up = max(1, min(WARM_UP, steps // 20))
    first = {"type": "LinearLR", "begin": 0, "end": warm_up, "start_factor": 0.01, "by_epoch": False}
    if decay == "cosine":
        length = steps - warm_up
        second = {"type": "CosineAnnealingLR", "begin": warm_up, "end": steps, "T_max": length, "eta_min_ratio": 1e-3}
    else:
        milestones = [max(1, round(steps * share)) for share in STEPS]
        second = {"type": "MultiStepLR", "begin": 0, "end": steps, "milestones": milestones, "gamma": 0.1}
    return [first, {**second, "by_epoch": False}]


def _optim_wrapper(bf16: bool) -> type:
    """MMEngine's OptimWrapper, or one whose forward passes run under bfloat16 autocast (MMEngine's own needs a GPU)."""
    import torch
    from mmengine.optim import OptimWrapper

    if not bf16:
        return OptimWrapper

    class Bf16OptimWrapper(OptimWrapper):
        @contextmanager
        def optim_context(self, model: torch.nn.Module) -> Any:
            device = next(model.parameters()).device.type
            with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
                yield

    return Bf16OptimWrapper


def best_checkpoint(out: Path) -> Path:
    """The checkpoint of the best validated epoch in a training folder, else the last one.

    Raises:
        OccbenchError: There is no checkpoint.
    """
    best = sorted(out.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    last = out / "last_checkpoint"
    if not last.is_file():
        raise OccbenchError(f"{out} holds no checkpoint of a training")
    return Path(last.read_text().strip())


def export_checkpoint(src: Path, dst: Path, meta: Meta | None = None) -> Path:
    """Write the weights of a Runner's checkpoint alone, in a file that ``torch.load(weights_only=True)`` reads.

    Args:
        src: A checkpoint written by this project's own training (it is unpickled).
        dst: Where ``{"meta": ..., "state_dict": ...}`` goes, in place only when complete.
        meta: Plain values to keep beside the weights.
    """
    import torch

    checkpoint = torch.load(src, map_location="cpu", weights_only=False)
    weights = {key: value.detach().clone().contiguous() for key, value in checkpoint["state_dict"].items()}
    partial = dst.with_name(dst.name + ".partial")
    torch.save({"meta": dict(meta or {}), "state_dict": weights}, partial)
    partial.replace(dst)
    return dst
