"""MMEngine's Runner for the thesis' recipe.

Adam, steps to a tenth and a hundredth of the rate at 170 and 200 of 210 epochs (PROTOCOL section 6), here as shares of
whatever number of epochs is asked for, after a short linear warm-up.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.errors import OccbenchError
from .config import sees_photos
from .samples import lighten
from .settings import Settings

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

STEPS = (170 / 210, 200 / 210)
_WRAPPER = {"type": "MMDistributedDataParallel", "broadcast_buffers": False}
WARM_UP = 500  # iterations, or a twentieth of the training where that is shorter


def has_tensorboard() -> bool:
    """Whether scalars are written for TensorBoard as well."""
    return importlib.util.find_spec("tensorboard") is not None


def build_loader(cfg: Config, settings: Settings) -> Any:
    """The training data, loaded by batches.

    Raises:
        OccbenchError: There are fewer persons than one batch, or MMPose cannot read them.
    """
    from mmengine.runner import Runner

    loader = Runner.build_dataloader(cfg.train_dataloader, seed=settings.seed)
    if len(loader) == 0:
        raise OccbenchError(
            f"{len(loader.dataset)} persons do not fill a batch of {settings.batch_size}; "
            "lower --batch-size or give more persons"
        )
    lighten(loader.dataset)
    return loader


def build_runner(
    cfg: Config,
    loader: Any,
    out: Path,
    settings: Settings,
    *,
    resume: bool = False,
    launcher: str = "none",
) -> Runner:
    """The Runner of a training.

    Args:
        cfg: Of :func:`~.config.build_config`.
        loader: Of :func:`build_loader`.
        out: The folder for checkpoints and logs.
        settings: Of the training.
        resume: Go on from the latest checkpoint in ``out``.
        launcher: MMEngine's name of what started the processes, which have joined already.

    Raises:
        OccbenchError: Mixed precision is asked for without a GPU.
    """
    import torch
    from mmengine.runner import Runner

    from .hooks import FreezeNorm, SeedEpoch, StopNotFinite, ValidateResumed
    from .phases import Phases, epochs_of, shares_of

    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch asks for it
    validates = cfg.val_dataloader is not None
    checkpoint: dict[str, Any] = {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 2}
    if validates:
        pckh = cfg.val_evaluator["type"] == "MpiiPCKAccuracy"
        checkpoint.update(save_best="PCK" if pckh else "coco/AP", rule="greater")
    shares = shares_of(cfg)
    phases = [Phases(epochs_of(shares, settings.epochs))] if shares else []
    frozen = [FreezeNorm()] if settings.freeze_norm else []
    unused = {"find_unused_parameters": True} if shares else {}
    backends = [{"type": "LocalVisBackend"}]
    if has_tensorboard():
        backends.append({"type": "TensorboardVisBackend"})
    return Runner(
        model=_build_model(cfg, settings),
        work_dir=str(out),
        train_dataloader=loader,
        val_dataloader=cfg.val_dataloader,
        train_cfg={"by_epoch": True, "max_epochs": settings.epochs, "val_interval": max(1, settings.epochs // 6)},
        val_cfg={} if validates else None,
        val_evaluator=cfg.val_evaluator,
        optim_wrapper=_optim_wrapper(settings),
        param_scheduler=schedule(settings.epochs * len(loader), settings.decay, steps_of(cfg)),
        default_hooks={"checkpoint": checkpoint, "logger": {"type": "LoggerHook", "interval": 50}},
        custom_hooks=[SeedEpoch(settings.seed), *phases, *frozen, ValidateResumed(), StopNotFinite()],
        launcher=launcher,
        resume=resume,
        env_cfg={
            "cudnn_benchmark": not settings.deterministic,
            "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 1},
        },
        visualizer={"type": "Visualizer", "vis_backends": backends},
        log_level=cfg.log_level,
        randomness={"seed": settings.seed, "deterministic": settings.deterministic},
        default_scope="mmpose",
        experiment_name=f"train-{time.time_ns()}",  # MMEngine shares loggers between equal names within one second
        # MMEngine's own way to wrap a model takes for granted that there are GPUs.
        cfg=unused if torch.cuda.is_available() else {"model_wrapper_cfg": {**_WRAPPER, **unused, "device_ids": None}},
    )


def _build_model(cfg: Config, settings: Settings) -> Any:
    """The model, laid out as convolutions like it best, before it is wrapped for several processes."""
    import torch
    from mmengine.runner import set_random_seed
    from mmpose.registry import MODELS

    from .hooks import freeze_norms

    set_random_seed(settings.seed)
    model = MODELS.build(cfg.model).to(memory_format=torch.channels_last)
    if settings.freeze_norm:
        freeze_norms(model)
    return model


def steps_of(cfg: Config) -> tuple[float, ...]:
    """After which shares of a training its rate falls tenfold: a bottom-up config's own, else :data:`STEPS`."""
    for one in cfg.get("param_scheduler") or [] if sees_photos(cfg) else []:
        if one.get("type") == "MultiStepLR" and one.get("end"):
            return tuple(milestone / one["end"] for milestone in one["milestones"])
    return STEPS


def schedule(steps: int, decay: str = "steps", shares: Sequence[float] = STEPS) -> list[dict[str, Any]]:
    """The learning rate over ``steps`` iterations: linear warm-up, then one of :data:`~.settings.DECAYS`.

    ``steps`` goes down tenfold after each of ``shares``, by default as in the thesis; ``cosine`` goes down all the
    way, which gets more out of a training of a few epochs, whose noise at a constant rate is most of the loss.
    """
    warm_up = min(WARM_UP, steps // 20)
    if warm_up < 2:  # MMEngine's linear rise needs two steps, and stays below for ever with one
        warm_up = 0
    first = {"type": "LinearLR", "begin": 0, "end": warm_up, "start_factor": 0.01, "by_epoch": False}
    if decay == "cosine":
        length = steps - warm_up
        second = {"type": "CosineAnnealingLR", "begin": warm_up, "end": steps, "T_max": length, "eta_min_ratio": 1e-3}
    else:
        milestones = [max(1, round(steps * share)) for share in shares]
        second = {"type": "MultiStepLR", "begin": 0, "end": steps, "milestones": milestones, "gamma": 0.1}
    return [*([first] if warm_up else []), {**second, "by_epoch": False}]


def _optim_wrapper(settings: Settings) -> dict[str, Any]:
    """Adam in MMEngine's wrapper: plain, for a GPU's mixed precision, or for bfloat16 (MMEngine's own needs a GPU)."""
    import torch
    from mmengine.optim import OptimWrapper

    optimizer = {"type": "Adam", "lr": settings.lr}
    if settings.amp:
        if not torch.cuda.is_available():
            raise OccbenchError("--amp needs a GPU, and there is none; on a CPU that has bfloat16 use --bf16")
        return {"type": "AmpOptimWrapper", "loss_scale": "dynamic", "optimizer": optimizer}
    if not settings.bf16:
        return {"type": OptimWrapper, "optimizer": optimizer}

    class Bf16OptimWrapper(OptimWrapper):
        @contextmanager
        def optim_context(self, model: torch.nn.Module) -> Any:
            device = next(model.parameters()).device.type
            with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
                yield

    return {"type": Bf16OptimWrapper, "optimizer": optimizer}
