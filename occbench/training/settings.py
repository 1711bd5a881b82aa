"""What decides the outcome of a training, and the record of it that a resumed one is held to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.errors import OccbenchError, unknown_name
from .augment import Augmentation
from .data import TrainingData
from .export import Meta

if TYPE_CHECKING:
    from mmengine.config import Config

DECAYS = ("steps", "cosine")
RECORD = "training.json"


@dataclass(frozen=True)
class Settings:
    """A training's settings. Together with config and data they decide, on a CPU, every bit of the weights.

    Attributes:
        epochs: Passes over the data.
        batch_size: Persons per step and process.
        lr: Adam's learning rate at its highest.
        decay: How it falls, one of :data:`DECAYS` (see :func:`~.runner.schedule`).
        seed: Seeds the weights, the order and every sample.
        init: ``"imagenet"`` (the backbone's weights that the config names), ``"none"``, a checkpoint's path, or
            a model of the zoo, whose weights are taken; None for ``imagenet`` where the config names any.
        freeze_stages: Keep the backbone's stem (0) or the stem and its first stages (1, 2, ...) as they are; -1: none.
        freeze_norm: Keep the batch norms, statistics and weights, as they are: for weights whose norms were folded into
            the convolutions, and for small batches.
        augmentation: What is put into the training pipeline.
        amp: Mixed precision on a GPU (MMEngine's AmpOptimWrapper).
        bf16: Convolutions in bfloat16 (weights stay float32): about twice as fast on CPUs that have it.
        deterministic: Only deterministic algorithms; a GPU needs it for a resumed training to be exact.

    Raises:
        OccbenchError: A setting is none of what it can be, or two contradict each other.
    """

    epochs: int = 210
    batch_size: int = 32
    lr: float = 1e-3
    decay: str = "steps"
    seed: int = 0
    init: str | None = None
    freeze_stages: int = -1
    freeze_norm: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    amp: bool = False
    bf16: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.decay not in DECAYS:
            raise unknown_name("decay", self.decay, DECAYS)
        if not 0 <= self.seed < 2**32:
            raise OccbenchError(f"--seed must be from 0 to {2**32 - 1}, but got {self.seed}")
        if self.amp and self.bf16:
            raise OccbenchError("--amp and --bf16 exclude each other: --amp is for GPUs, --bf16 for CPUs that have it")

    @property
    def meta(self) -> Meta:
        """The settings as plain values, for the exported weights."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "augmentation"}
        return {
            **{name: value for name, value in kept.items() if value is not None},
            "aug": json.dumps(self.augmentation.transforms),
            "baseline": str(self.augmentation),
        }


def record_of(
    cfg: Config, data: TrainingData, val: TrainingData | None, settings: Settings, processes: int
) -> dict[str, Any]:
    """What :data:`RECORD` holds: all that a resumed training must have in common with the first one."""
    pipelines = [cfg.train_dataloader.dataset.pipeline, cfg.val_dataloader and cfg.val_dataloader.dataset.pipeline]
    built = json.dumps([cfg.model.to_dict(), pipelines], sort_keys=True, default=str)
    return {
        **asdict(settings),
        "config": hashlib.sha256(built.encode()).hexdigest()[:16],
        "data": _digest(data),
        "val": val and _digest(val),
        "processes": processes,
    }


def findings_of(data: TrainingData, val: TrainingData | None) -> dict[str, list[dict[str, Any]]]:
    """What :data:`RECORD` says of the data besides: all that was found out about it."""
    of = {"data": data.findings, "val": () if val is None else val.findings}
    return {name: [finding.record() for finding in findings] for name, findings in of.items()}


def _digest(data: TrainingData) -> str:
    return hashlib.sha256(data.file.read_bytes()).hexdigest()[:16]


def check_same(record: dict[str, Any], out: Path) -> None:
    """Hold a resumed training to what began in ``out``.

    Raises:
        OccbenchError: There is no record, or it differs; the message names what.
    """
    path = out / RECORD
    try:
        before = json.loads(path.read_text())
    except FileNotFoundError:
        raise OccbenchError(f"{str(out)!r} holds no training of this command ({RECORD} is missing)") from None
    except (OSError, ValueError) as error:
        raise OccbenchError(f"{str(path)!r} cannot be read ({error}); begin anew with another --out") from error
    now = json.loads(json.dumps(record))
    older = {f.name: f.default for f in fields(Settings)}  # a setting that was not there yet had its default
    before = {**{name: older[name] for name in now if name in older}, **before}
    changed = [name for name in now if before.get(name) != now[name]]
    if {"augmentation", "seed", "freeze_stages"} & set(changed):  # they change the config as well
        changed = [name for name in changed if name != "config"]
    if changed:
        words = ", ".join(_change(name, before.get(name), now[name]) for name in changed)
        raise OccbenchError(
            f"{str(out)!r} was trained with other settings: {words}; --resume needs the same ones, another training "
            "needs another --out"
        )


def _change(name: str, before: Any, now: Any) -> str:
    names = {"config": "the model's config", "data": "--data", "val": "--val", "processes": "the number of processes"}
    shown = names.get(name, "--" + name.replace("_", "-"))
    if name in ("config", "data", "val"):
        return f"{shown} is another one"
    if name == "augmentation":
        return f"the augmentation was {json.dumps(before)} and is {json.dumps(now)}"
    return f"{shown} was {before} and is {now}"
