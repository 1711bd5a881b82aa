"""Train a cascade, stage after stage, and write its weights so that they load safely."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...data.persons import Dataset
from ...estimators.backends.torch_backend import keep_freed_memory
from ...estimators.config import hash_of_config, read_config
from ...estimators.crops import CropPipeline
from ...evaluation.pck import pck_hits, rates
from ...models.deeppose import DeepPoseCascade
from ...models.deeppose.displacements import Displacements
from ...runs.identity import persons_sha256
from ...system.errors import OccbenchError
from ..export import EXPORTED
from ..run import _check_writable as check_writable
from ..run import one_line
from ..settings import RECORD, check_same
from .canvases import Canvases, cut_canvases
from .draws import first_batch, later_batch
from .settings import CascadeSettings
from .stage import poses_of, steps_of, train_stage

if TYPE_CHECKING:
    from ...system.progress import Progress

STAGES = "stages.json"
"""What a training says of its stages: loss, PDJ@0.2 on the training set, displacements."""


def train_cascade(
    config: Path,
    data: Dataset,
    out: Path,
    settings: CascadeSettings,
    *,
    val: Dataset | None = None,
    until: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train the stages of a cascade, one after the other, and export its weights.

    Stage 1 learns from whole crops; its displacements on the training set then say where the boxes of stage 2 lie, and
    so on (Section 3.2). Persons without a diameter train the first stage alone.

    Args:
        config: With a :class:`~occbench.models.DeepPoseCascade`.
        data: The persons to train on.
        out: The folder for checkpoints and the exported weights; with ``resume`` an earlier one.
        settings: What decides the outcome.
        val: Persons whose PDJ@0.2 is given by stage; nothing is chosen by it.
        until: The last stage to train, from 1; None for all. Those after it keep their first weights.
        resume: Go on from what is in ``out``.
        progress: Told what is done.

    Returns:
        The exported checkpoint, ``out/model.pth``.

    Raises:
        OccbenchError: ``out`` cannot be written or holds another training; or config, data and settings do not go
            together.
    """
    from mmpose.models import build_pose_estimator

    cfg = read_config(config)
    record = {
        **asdict(settings),
        "config": hash_of_config(cfg.model)[:16],
        "data": persons_sha256(data)[:16],
    }
    if resume and (out / RECORD).is_file():
        check_same(record, out)
    elif (out / RECORD).is_file():
        raise OccbenchError(f"{out} holds a training already; go on with --resume, or name another folder with --out")
    keep_freed_memory()
    check_writable(out)
    (out / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    with one_line(out):
        torch.manual_seed(settings.seed)
        estimator = build_pose_estimator(cfg.model)
        cascade: DeepPoseCascade = estimator.backbone
        cascade.init_weights()
        stages = len(cascade.networks)
        if until is not None and not 1 <= until <= stages:
            raise OccbenchError(f"--stage must be one of the cascade's stages, 1 to {stages}, but got {until}")
        pipeline = CropPipeline(cfg)
        with _stage(progress, "canvases", len(data.persons)) as advance:
            canvases = cut_canvases(pipeline, data, advance)
        held_out = None if val is None else cut_canvases(pipeline, val)
        if progress is not None and not bool(canvases.measured.all()):
            without = int((~canvases.measured).sum())
            progress.note(f"{without} of {len(canvases)} persons have no diameter and train the first stage alone")
        said: list[dict[str, Any]] = []
        draw = partial(first_batch, canvases, settings)
        poses = held_out_poses = None
        last = until or stages
        for stage in range(last):
            with _stage(progress, "steps", steps_of(stage, canvases, settings), f"stage {stage + 1}") as advance:
                checkpoint = out / f"stage-{stage + 1}.pth"
                losses = train_stage(estimator, stage, canvases, draw, settings, checkpoint, advance)
            line: dict[str, Any] = {"stage": stage + 1, "loss": losses}
            if held_out is not None:
                held_out_poses = poses_of(estimator, stage, held_out, held_out_poses)
                line["pdj@0.2 val"] = pdj(held_out_poses, held_out)
            if stage + 1 < last:
                poses = poses_of(estimator, stage, canvases, poses)
                line["pdj@0.2 train"] = pdj(poses, canvases)
                lengths = canvases.lengths(settings.unit)
                before = Displacements.measure(poses, canvases.truth, canvases.labelled, lengths)
                line["displacements"] = before.plain()
                draw = partial(later_batch, canvases, cascade.sigma, before, settings)
            said.append(line)
            (out / STAGES).write_text(json.dumps(said) + "\n")
            if progress is not None:
                figures = "".join(f", {name} {line[name]:.3f}" for name in line if name.startswith("pdj"))
                progress.note(f"stage {stage + 1}: loss a joint {losses[-1]:.5f}{figures}")
        meta = {"config": config.name, "data": data.name, "stages": len(said), **asdict(settings)}
        return _export(estimator, out, meta)


def _export(estimator: Any, out: Path, meta: dict[str, Any]) -> Path:
    path = out / EXPORTED
    partial_path = path.with_name(path.name + ".partial")
    torch.save({"meta": meta, "state_dict": estimator.state_dict()}, partial_path)
    return partial_path.replace(path)


def pdj(poses: torch.Tensor, data: Canvases, fraction: float = 0.2) -> float:
    """Mean PDJ of the joints: found within a fraction of the diameter."""
    found, truth = (np.asarray(points, dtype=np.float64) for points in (poses, data.truth))
    hits = pck_hits(found, truth, data.labelled.numpy(), data.diameters.double().numpy(), fraction)
    return rates(hits).mean


def _stage(
    progress: Progress | None, name: str, total: int, among: str = ""
) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda steps: None) if progress is None else progress.stage(name, total, among)
